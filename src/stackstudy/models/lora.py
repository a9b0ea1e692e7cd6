"""Low-rank adaptation: large linear layers stay as they are, and learn what a thin matrix can add (Hu et al. 2022)."""

import torch
from torch import nn


class LoRALinear(nn.Module):
    """A frozen linear layer W and what is learned on top of it: W x + B A x (Hu et al. 2022, section 4.1).

    A (rank, inputs) is random and B (outputs, rank) zero, so that it begins as W. Their scale alpha / rank is 1; the
    learning rate does what it would do.
    """

    def __init__(self, linear: nn.Linear, rank: int) -> None:
        super().__init__()
        self.linear = linear.requires_grad_(False)
        # In single precision, whatever the layer has: the steps of a training are too small for half of it.
        options = {"bias": False, "device": linear.weight.device, "dtype": torch.float32}
        self.down = nn.Linear(linear.in_features, rank, **options)  # A
        self.up = nn.Linear(rank, linear.out_features, **options)  # B
        nn.init.zeros_(self.up.weight)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return (..., outputs) for (..., inputs)."""
        return self.linear(inputs) + self.up(self.down(inputs))


def add_lora(module: nn.Module, rank: int) -> None:
    """Freeze `module`, and put a `LoRALinear` in place of every linear layer in it.

    All of them, not those of attention alone: so it comes up to full fine-tuning (Dettmers et al. 2023, section 4).
    """
    module.requires_grad_(False)
    linears = [
        (parent, name) for parent in module.modules() for name, child in parent.named_children() if _is_linear(child)
    ]
    for parent, name in linears:
        setattr(parent, name, LoRALinear(getattr(parent, name), rank))


def _is_linear(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear)
