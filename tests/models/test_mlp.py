import pytest
import torch

from stackstudy.models.mlp import BodyMLP


def test_published_layers():
    model = BodyMLP(inputs=4096, hidden=(2048, 1024), outputs=100, dropout=0.3)
    shapes = [tuple(weight.shape) for name, weight in model.named_parameters() if name.endswith("weight")]
    assert shapes == [(2048, 4096), (1024, 2048), (100, 1024)]
    assert [type(layer).__name__ for layer in model.body] == ["Linear", "ReLU", "Dropout"] * 2
    assert {layer.p for layer in model.body if isinstance(layer, torch.nn.Dropout)} == {0.3}


@pytest.mark.parametrize("hidden", [(), (8,), (8, 4, 2)])
def test_a_logit_per_label_whatever_the_depth(hidden):
    model = BodyMLP(inputs=6, hidden=hidden, outputs=3, dropout=0.1)
    assert model(torch.zeros(5, 6)).shape == (5, 3)
    assert BodyMLP(**model.arguments).arguments == model.arguments


def test_manifold_mixup_mixes_the_hidden_layers():
    model = BodyMLP(inputs=6, hidden=(8, 4), outputs=3, dropout=0.1)
    assert model.mixing_points() == ((model.body[1],), (model.body[4],))
    assert BodyMLP(inputs=6, hidden=(), outputs=3, dropout=0.1).mixing_points() == ()
