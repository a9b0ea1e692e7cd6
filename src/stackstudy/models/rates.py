"""Learning rates by depth, for networks of which the lower layers know more at the start than the upper ones."""

from dataclasses import dataclass
from typing import Any, Protocol

from torch import nn


class Layered(Protocol):
    """A network that tells its layers apart."""

    def layers(self) -> list[nn.Module]:
        """Return what is trained, from the inputs up; the last one is new, the others were trained before."""


@dataclass(frozen=True)
class LayerRates:
    """Learning rates that fall from the top down (Howard & Ruder 2018, section 3.2, "discriminative fine-tuning")."""

    head: float  # learning rate of the new layer
    decay: float  # the rate of each other layer but the uppermost is that of the layer above times this

    def groups(self, network: Layered, learning_rate: float, weight_decay: float) -> list[dict[str, Any]]:
        """Return an optimiser's groups of weights; the first are those of the layer under the head, at `learning_rate`.

        Vectors (biases, scales of norms) do not decay, as is usual for transformers.
        """
        *below, head = network.layers()
        rates = [learning_rate * self.decay**depth for depth in range(len(below))]
        groups = []
        for layer, rate in zip([*reversed(below), head], [*rates, self.head], strict=True):
            weights = [weight for weight in layer.parameters() if weight.requires_grad]
            for matrices in (True, False):
                chosen = [weight for weight in weights if (weight.ndim > 1) == matrices]
                decay = weight_decay if matrices else 0.0
                groups += [{"params": chosen, "lr": rate, "weight_decay": decay}] if chosen else []
        return groups
