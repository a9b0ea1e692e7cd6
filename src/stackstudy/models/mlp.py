"""The published body MLP: one vector in, one logit per label out."""

from collections.abc import Sequence

import torch
from torch import nn


class BodyMLP(nn.Module):
    """Linear, ReLU and dropout per hidden layer, then one linear layer; published: hidden 2048 and 1024, dropout .3."""

    def __init__(self, inputs: int, hidden: Sequence[int], outputs: int, dropout: float) -> None:
        super().__init__()
        self.arguments = {"inputs": inputs, "hidden": list(hidden), "outputs": outputs, "dropout": dropout}
        layers: list[nn.Module] = []
        for width, wider in zip([inputs, *hidden], hidden, strict=False):
            layers += [nn.Linear(width, wider), nn.ReLU(), nn.Dropout(dropout)]
        self.body = nn.Sequential(*layers)  # (b, inputs) -> (b, hidden[-1])
        self.head = nn.Linear([inputs, *hidden][-1], outputs)  # (b, hidden[-1]) -> (b, outputs)

    def forward(self, body: torch.Tensor) -> torch.Tensor:
        """Return logits (b, outputs) for body vectors (b, inputs)."""
        return self.head(self.body(body))
