import pytest
import torch
from torch import nn

from stackstudy.models.lora import LoRALinear, add_lora


@pytest.fixture
def block() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.Sequential(nn.GELU(), nn.Linear(8, 5, bias=False)))


def test_it_begins_as_the_layer_that_it_replaces(block):
    inputs = torch.randn(4, 6)
    before = block(inputs)
    add_lora(block, rank=2)
    assert torch.equal(block(inputs), before)


def test_it_learns_in_two_thin_matrices_and_leaves_the_rest_as_it_was(block):
    add_lora(block, rank=2)
    trained = {name: tuple(weight.shape) for name, weight in block.named_parameters() if weight.requires_grad}
    assert trained == {
        "0.down.weight": (2, 6),
        "0.up.weight": (8, 2),
        "2.1.down.weight": (2, 8),
        "2.1.up.weight": (5, 2),
    }
    before = {name: weight.clone() for name, weight in block.named_parameters()}
    optimizer = torch.optim.AdamW(block.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        block(torch.randn(4, 6)).pow(2).mean().backward()
        optimizer.step()
    changed = {name for name, weight in block.named_parameters() if not torch.equal(weight, before[name])}
    assert changed == set(trained)


def test_what_it_adds_is_the_product_of_both_matrices():
    layer = LoRALinear(nn.Linear(3, 4), rank=2)
    nn.init.normal_(layer.up.weight)
    weight = layer.linear.weight + layer.up.weight @ layer.down.weight
    inputs = torch.randn(5, 3)
    torch.testing.assert_close(layer(inputs), nn.functional.linear(inputs, weight, layer.linear.bias))


def test_it_learns_in_single_precision_on_top_of_half():
    layer = LoRALinear(nn.Linear(3, 4).to(torch.bfloat16), rank=2)
    with torch.autocast("cpu", torch.bfloat16):
        layer(torch.randn(5, 3)).sum().backward()
    assert layer.linear.weight.dtype == torch.bfloat16
    assert layer.up.weight.dtype == layer.up.weight.grad.dtype == torch.float32
