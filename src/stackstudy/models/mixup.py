"""Mixup: training on blends of two questions and of their targets, in the inputs or in a hidden state."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Mixup:
    """Which mixup, if any, and for how long; from then on dropout has the value `late_dropout`."""

    kind: Literal["none", "input", "manifold"]
    alpha: float  # shares are drawn from Beta(alpha, alpha)
    epochs: int
    late_dropout: float

    def outputs(self, model: nn.Module, inputs: Sequence[Tensor], targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the outputs of a network for a blend of the batch with itself, and the targets (b, k) of the blend.

        Input mixup (Zhang et al. 2018) blends what the network reads. Manifold mixup (Verma et al. 2019, section 2)
        blends the hidden states of one of its `mixing_points`, drawn for each batch. One share is drawn for a batch.
        """
        if self.kind == "none":
            return model(*inputs), targets
        blend = draw(self.alpha, targets)
        if self.kind == "input":
            return model(*map(blend, inputs)), blend(targets)
        levels = model.mixing_points()
        with blended(levels[int(torch.randint(len(levels), ()))], blend):
            return model(*inputs), blend(targets)


@dataclass(frozen=True, eq=False)
class Blend:
    """Each row of a batch with `share` of itself, the rest being of its partner."""

    share: float
    partner: Tensor  # int64 (b,)

    def __call__(self, values: Tensor) -> Tensor:
        """Blend `values` (b, ...); a mask of what is there becomes the mask of what either of the two has."""
        others = values[self.partner]
        return values | others if values.dtype == torch.bool else torch.lerp(others, values, self.share)


def draw(alpha: float, batch: Tensor) -> Blend:
    """Draw share and partners for a `batch` (b, ...), on the CPU, so that they are the same on every device."""
    share = torch.distributions.Beta(alpha, alpha).sample().item()
    return Blend(share, torch.randperm(len(batch)).to(batch.device))


@contextmanager
def blended(modules: Sequence[nn.Module], blend: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """While it lasts, the outputs of `modules` are blended before the network goes on with them."""
    hooks = [module.register_forward_hook(lambda _module, _inputs, output: blend(output)) for module in modules]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def set_dropout(model: nn.Module, share: float) -> None:
    """Give all dropout in a network, also that on attention weights, the value `share`."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = share
        elif isinstance(module, nn.MultiheadAttention):
            module.dropout = share
