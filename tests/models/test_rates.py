import pytest
from torch import nn

from stackstudy.models.rates import LayerRates


class Stack(nn.Module):
    """Three layers that were trained before, the lowest partly frozen, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList([nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2)), nn.Linear(2, 2)])
        self.head = nn.Linear(2, 1)
        self.parts[0].weight.requires_grad_(False)

    def layers(self) -> list[nn.Module]:
        return [*self.parts, self.head]


def test_rates_fall_from_the_top_down_and_vectors_do_not_decay():
    network = Stack()
    groups = LayerRates(head=0.03, decay=0.5).groups(network, learning_rate=0.001, weight_decay=0.1)
    lowest, middle, upper = network.parts
    expected = [
        ([upper.weight], 0.001, 0.1),
        ([upper.bias], 0.001, 0.0),
        ([middle[0].weight], 0.0005, 0.1),
        ([middle[0].bias, middle[1].weight, middle[1].bias], 0.0005, 0.0),
        ([lowest.bias], 0.00025, 0.0),
        ([network.head.weight], 0.03, 0.1),
        ([network.head.bias], 0.03, 0.0),
    ]
    assert len(groups) == len(expected)
    for group, (weights, rate, decay) in zip(groups, expected, strict=True):
        assert [id(weight) for weight in group["params"]] == [id(weight) for weight in weights]
        assert (group["lr"], group["weight_decay"]) == (pytest.approx(rate), decay)
