"""Losses for many labels of which few are true.

Each is a positive and a negative term, weighted by the target: a soft target (mixup, smoothing) has the loss that hard
targets have in that proportion. All are means over all elements, so that their size depends neither on the batch nor on
the number of labels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class AsymmetricLoss(nn.Module):
    """Binary cross-entropy that forgets easy negatives (ASL; Ridnik et al. 2021, section 2).

    The positive term is weighted by (1 - p) ** `gamma_positive`, the negative one by q ** `gamma_negative` with
    q = max(p - `clip`, 0), which also takes the place of p in it: below `clip`, a negative costs nothing.
    """

    def __init__(self, gamma_negative: float, gamma_positive: float, clip: float = 0.05) -> None:
        super().__init__()
        self.gamma_negative, self.gamma_positive, self.clip = gamma_negative, gamma_positive, clip

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of logits (b, k) for targets (b, k) from 0 to 1."""
        logits = logits.to(targets.dtype)  # under autocast, logits come in half precision
        with torch.no_grad():  # as the authors have it, the weights are constants
            positive_weight = torch.sigmoid(-logits) ** self.gamma_positive
            negative_weight = (torch.sigmoid(logits) - self.clip).clamp(min=0) ** self.gamma_negative
        # log(1 - q): the sum is no less than the clip, so that its logarithm is safe; without a clip it would not be.
        kept = (torch.sigmoid(-logits) + self.clip).clamp(max=1)
        negative = kept.log() if self.clip else F.logsigmoid(-logits)
        likelihood = targets * positive_weight * F.logsigmoid(logits) + (1 - targets) * negative_weight * negative
        return -likelihood.mean()

    def extra_repr(self) -> str:
        return f"gamma_negative={self.gamma_negative}, gamma_positive={self.gamma_positive}, clip={self.clip}"


class FocalLoss(nn.Module):
    """Binary cross-entropy that turns to hard elements (Lin et al. 2017, section 3.2), with label smoothing.

    The positive term is weighted by `alpha` (1 - p) ** `gamma`, the negative one by (1 - `alpha`) p ** `gamma`.
    Smoothing by s moves targets from 0 and 1 to s / 2 and 1 - s / 2 (Szegedy et al. 2016, section 7, for two classes).
    """

    def __init__(self, alpha: float = 0.25, gamma: float = 2.0, smoothing: float = 0.0) -> None:
        super().__init__()
        self.alpha, self.gamma, self.smoothing = alpha, gamma, smoothing

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of logits (b, k) for targets (b, k) from 0 to 1."""
        targets = targets * (1 - self.smoothing) + self.smoothing / 2
        logits = logits.to(targets.dtype)  # under autocast, logits come in half precision
        log_p, log_not_p = F.logsigmoid(logits), F.logsigmoid(-logits)
        # Powers as exp(gamma log p): their gradient stays finite where p is 0 in floating point.
        positive = self.alpha * targets * (self.gamma * log_not_p).exp() * log_p
        negative = (1 - self.alpha) * (1 - targets) * (self.gamma * log_p).exp() * log_not_p
        return -(positive + negative).mean()

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}, gamma={self.gamma}, smoothing={self.smoothing}"


def class_weights(targets: Tensor) -> Tensor:
    """Return sqrt(negatives / positives) of each label (k,) from targets (n, k), to weight the positive term with.

    A label that no row has is counted as if one had it: the weight is never used, but has to be a number.
    """
    positives = targets.sum(dim=0)
    return ((len(targets) - positives) / positives.clamp(min=1)).sqrt()
