"""The published MLPs: one vector in, one logit per label or one score out."""

from collections.abc import Sequence

import torch
from torch import nn

from stackstudy.models.dropout import Dropout

ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU}


class BodyMLP(nn.Module):
    """Linear, ReLU and dropout per hidden layer, then one linear layer; published: hidden 2048 and 1024, dropout .3.

    The published regressors have GELU in place of ReLU.
    """

    def __init__(
        self, inputs: int, hidden: Sequence[int], outputs: int, dropout: float, activation: str = "relu"
    ) -> None:
        super().__init__()
        self.arguments = {"inputs": inputs, "hidden": list(hidden), "outputs": outputs, "dropout": dropout}
        self.arguments |= {"activation": activation}
        layers: list[nn.Module] = []
        for width, wider in zip([inputs, *hidden], hidden, strict=False):
            layers += [nn.Linear(width, wider), ACTIVATIONS[activation](), Dropout(dropout)]
        self.body = nn.Sequential(*layers)  # (b, inputs) -> (b, hidden[-1])
        self.head = nn.Linear([inputs, *hidden][-1], outputs)  # (b, hidden[-1]) -> (b, outputs)

    def forward(self, body: torch.Tensor) -> torch.Tensor:
        """Return logits (b, outputs) for body vectors (b, inputs)."""
        return self.head(self.body(body))

    def mixing_points(self) -> tuple[tuple[nn.Module, ...], ...]:
        """Return the modules whose outputs manifold mixup may mix: those that activate a hidden layer."""
        return tuple((layer,) for layer in self.body if isinstance(layer, tuple(ACTIVATIONS.values())))
