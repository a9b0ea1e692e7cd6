"""What the published form of the asymmetric loss does to gradients, next to the form of `models.losses`."""

import numpy as np
import polars as pl
import torch
from scipy.special import logit
from torch import Tensor, nn

from stackstudy.evaluation.audit import Row
from stackstudy.evaluation.audit_rows import TagTask
from stackstudy.evaluation.bootstrap import RowSums
from stackstudy.evaluation.predictions import Predictions
from stackstudy.models.losses import AsymmetricLoss

SMALLEST = 1e-8  # at which the published form clamps a probability
MISSED = -20.0  # logit of a label that is there, far below what the clamp lets through
BATCH, PIECES = 32, 4  # of the pass that is measured


class PublishedAsymmetricLoss(nn.Module):
    """The asymmetric loss as the study has it: logarithms of clamped probabilities, gradients switched for everyone.

    It turns gradients off for its weights and then on, whatever they were before.
    """

    def __init__(self, gamma_negative: float, gamma_positive: float, clip: float = 0.05) -> None:
        super().__init__()
        self.gamma_negative, self.gamma_positive, self.clip = gamma_negative, gamma_positive, clip

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of logits (b, k) for targets (b, k)."""
        present = torch.sigmoid(logits)
        absent = (1 - present + self.clip).clamp(max=1)
        logs = targets * present.clamp(min=SMALLEST).log() + (1 - targets) * absent.clamp(min=SMALLEST).log()
        torch.set_grad_enabled(False)
        right = present * targets + absent * (1 - targets)
        weights = (1 - right) ** (self.gamma_positive * targets + self.gamma_negative * (1 - targets))
        torch.set_grad_enabled(True)
        return -(weights * logs).mean()


def gradient_row(task: TagTask, predictions: Predictions) -> Row:
    """Compare the gradients that both forms send back to the logits of a trained network on the test questions.

    The metric is the root of the mean squared norm of a question's gradient, in units of that of the corrected form.
    """
    losses = losses_of(predictions)
    truth, seeds = task.truth("test"), task.values(predictions, "test")
    squares = [[(gradients(loss, _logits(values), truth) ** 2).sum(axis=1) for values in seeds] for loss in losses]
    sides = []
    for side in squares:
        pairs = zip(side, squares[1], strict=True)
        sides.append([RowSums((np.column_stack([np.ones_like(s), s / c.mean()]),), _norm) for s, c in pairs])
    return Row("gradient", predictions.system, "gradient_norm", *sides)


def losses_of(predictions: Predictions) -> tuple[PublishedAsymmetricLoss, AsymmetricLoss]:
    """Return both forms of the loss that a system was trained with. ValueError: with another one."""
    if (name := predictions.parameters["loss"]) != "asl":
        raise ValueError(f"audit, gradient: {predictions.system} was trained with {name}, not with asl")
    gammas = predictions.parameters["gamma_negative"], predictions.parameters["gamma_positive"]
    return PublishedAsymmetricLoss(*gammas), AsymmetricLoss(*gammas)


def gradients(loss: nn.Module, logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the gradient of the loss, as a sum and not a mean, at logits (n, k): float64 (n, k)."""
    points = torch.tensor(logits, dtype=torch.float32, requires_grad=True)
    loss(points, torch.from_numpy(labels).float()).mul(points.numel()).backward()
    return points.grad.double().numpy()


def gradient_table(network: nn.Module, predictions: Predictions) -> pl.DataFrame:
    """Return what each form does where the other does the opposite: form, missed, kept.

    ``missed`` is the gradient at a label that is there and has almost no probability, ``kept`` what `kept_numbers` says
    of `network`, which is that of the predictions, with the inputs title, body and mask.
    """
    missed, there = np.array([[MISSED]]), np.array([[True]])
    rows = [
        {"form": form, "missed": gradients(loss, missed, there).item(), "kept": kept_numbers(network, loss)}
        for form, loss in zip(("published", "corrected"), losses_of(predictions), strict=True)
    ]
    return pl.DataFrame(rows)


def kept_numbers(network: nn.Module, loss: nn.Module) -> int:
    """Return how many numbers a pass of the network keeps per question after a first batch under no_grad had a loss.

    They wait for a backward pass that never comes. Parameters do not count, which are there anyway.
    """
    own, kept = {weight.data_ptr() for weight in network.parameters()}, []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(0 if tensor.data_ptr() in own else tensor.numel())
        return tensor

    inputs, outputs = network.arguments["inputs"], network.arguments["outputs"]
    batch = torch.ones(BATCH, inputs), torch.ones(BATCH, PIECES, inputs), torch.ones(BATCH, PIECES, dtype=torch.bool)
    with torch.no_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss(torch.zeros(BATCH, outputs), torch.ones(BATCH, outputs))
        network(*batch)
    return sum(kept) // BATCH


def _logits(probabilities: np.ndarray) -> np.ndarray:
    """Return finite logits of float32 probabilities, which may be 0 or 1."""
    edge = np.finfo(np.float32)
    return logit(probabilities.clip(edge.tiny, 1 - edge.epsneg))


def _norm(sums: np.ndarray) -> dict[str, np.ndarray]:
    return {"gradient_norm": np.sqrt(sums[1] / sums[0])}
