from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from stackstudy.evaluation.tags import best_micro_f1
from stackstudy.models import dropout, mlp
from stackstudy.models.course import Metric
from stackstudy.models.dropout import LARGE, Dropout
from stackstudy.models.mlp import BodyMLP
from stackstudy.models.training import Data, Options, train

ROWS, WIDTH = 1025, 1025  # a large input, and an odd number of numbers: the last eight bytes are not used up


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture
def all_large(monkeypatch):
    monkeypatch.setattr(dropout, "LARGE", 0)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.9])
def test_the_share_is_zero_and_the_mean_stays(share):
    found = Dropout(share)(torch.ones(ROWS, WIDTH))
    deviation = (share * (1 - share) / found.numel()) ** 0.5
    assert (found == 0).float().mean() == pytest.approx(share, abs=4 * deviation)
    assert found.unique().tolist() == pytest.approx([0, 1 / (1 - share)], rel=1e-4)
    assert found.mean() == pytest.approx(1, abs=4 * deviation / (1 - share))


def test_rows_and_columns_are_dropped_alike_and_independently():
    dropped = (Dropout(0.5)(torch.ones(ROWS, WIDTH)) == 0).float() - 0.5
    for along in (0, 1):
        assert dropped.mean(dim=along).abs().max() < 5 * 0.5 / ROWS**0.5
    for lag in (1, 2, 3, 4, 8):  # numbers of the same eight bytes, and of neighbours
        together = (dropped.flatten()[lag:] * dropped.flatten()[:-lag]).mean()
        assert together.abs() < 4 * 0.25 / (ROWS * WIDTH) ** 0.5


def test_gradients_pass_where_numbers_do(all_large):
    numbers = torch.randn(50, 7, requires_grad=True)
    found = Dropout(0.3)(numbers)
    found.sum().backward()
    torch.testing.assert_close(numbers.grad * numbers, found)


def test_the_seed_of_torch_decides_and_each_call_draws_anew(all_large):
    layer, ones = Dropout(0.5), torch.ones(40, 5)
    first, second = layer(ones), layer(ones)
    torch.manual_seed(0)
    assert torch.equal(layer(ones), first)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("size", [LARGE - 1, 0])
def test_smaller_inputs_are_dropped_as_torch_does(size):
    ones = torch.ones(size)
    found = Dropout(0.5)(ones)
    torch.manual_seed(0)
    assert torch.equal(nn.Dropout(0.5)(ones), found)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_all_or_nothing_is_as_in_torch(all_large, share):
    ones = torch.ones(4, 5)
    assert torch.equal(Dropout(share)(ones), nn.Dropout(share)(ones))


def test_outside_training_nothing_is_dropped_or_drawn(all_large):
    before, ones = torch.get_rng_state(), torch.ones(4, 5)
    assert Dropout(0.5).eval()(ones) is ones
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("share", [0.3, 0.5])
def test_a_network_learns_what_it_does_with_the_dropout_of_torch(all_large, tmp_path, monkeypatch, share):
    """The means of five seeds differ by less than the seeds do."""
    values = {}
    for layer in (Dropout, nn.Dropout):
        monkeypatch.setattr(mlp, "Dropout", layer)
        make = partial(BodyMLP, inputs=16, hidden=(64, 32), outputs=6, dropout=share)
        values[layer] = [learned(make, seed, tmp_path / layer.__module__ / str(seed)) for seed in range(5)]
    ours, theirs = (np.array(values[layer]) for layer in (Dropout, nn.Dropout))
    assert min(ours.mean(), theirs.mean()) > 0.75, "otherwise nothing was learned"
    assert abs(ours.mean() - theirs.mean()) < max(np.ptp(ours), np.ptp(theirs))
    assert not np.array_equal(ours, theirs), "otherwise both drew the same"


def learned(make: Callable[[], nn.Module], seed: int, folder: Path) -> float:
    """Return the best validation F1 of a training on labels that follow from the inputs but for noise."""
    random = torch.Generator().manual_seed(0)
    inputs = torch.randn(1500, 16, generator=random)
    truth = inputs @ torch.randn(16, 6, generator=random)
    targets = (truth + 2 * torch.randn(1500, 6, generator=random) > 1).float()
    rows = torch.arange(1500)
    data = Data((inputs,), targets, rows[:1000], rows[1000:])
    options = Options(learning_rate=0.003, weight_decay=0.01, batch_size=100, max_epochs=8, patience=None)
    metric = Metric("f1_micro", best_micro_f1, "max")
    found = train(make, nn.BCEWithLogitsLoss(), data, metric, options, seed, folder)
    return found.history["validation_f1_micro"].max()
