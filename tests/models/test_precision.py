"""Networks that are trained in bfloat16 learn what they learn in float32, and predict in float32."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from stackstudy.evaluation.tags import best_micro_f1
from stackstudy.models.batches import MappedPieces, RaggedPieces, gather
from stackstudy.models.course import Metric
from stackstudy.models.dsf import DSFMHSA, DSFCrossAttention
from stackstudy.models.mlp import BodyMLP
from stackstudy.models.sequence import SequenceDSF
from stackstudy.models.training import Data, Options, Trained, predict, train

ROWS, WIDTH, LABELS, PIECES = 900, 16, 6, 3
METRIC = Metric("f1_micro", best_micro_f1, "max")
OPTIONS = Options(0.005, 0.01, batch_size=100, max_epochs=6, patience=None, gradient_clip=1.0)
SIZES = {"inputs": WIDTH, "outputs": LABELS, "dropout": 0.2}
NETWORKS = {
    "body-mlp": partial(BodyMLP, hidden=(64, 32), **SIZES),
    "dsf-crossattn": partial(DSFCrossAttention, hidden=32, **SIZES),
    "dsf-mhsa": partial(DSFMHSA, hidden=32, **SIZES),
    "sequence": partial(SequenceDSF, hidden=32, **SIZES),
}


@pytest.fixture(scope="module")
def planted() -> tuple[torch.Tensor, np.ndarray, torch.Tensor]:
    """Titles, pieces of bodies, and labels that follow from both but for noise."""
    random = torch.Generator().manual_seed(0)
    title = torch.randn(ROWS, WIDTH, generator=random)
    body = torch.randn(ROWS, PIECES, WIDTH, generator=random)
    weights = torch.randn(2, WIDTH, LABELS, generator=random)
    truth = title @ weights[0] + body.mean(dim=1) * 2 @ weights[1]
    labels = (truth + torch.randn(ROWS, LABELS, generator=random) > 3).float()
    return title, body.numpy(), labels


def data_for(name: str, planted: tuple[torch.Tensor, np.ndarray, torch.Tensor]) -> Data:
    title, body, labels = planted
    pieces = MappedPieces(body, np.ones(body.shape[:2], dtype=bool), "cpu")
    if name.startswith("dsf"):
        pieces = RaggedPieces(torch.from_numpy(body).flatten(0, 1), torch.arange(ROWS + 1) * PIECES)
    inputs = (torch.cat([title, torch.from_numpy(body).mean(dim=1)], dim=1),) if name == "body-mlp" else (title, pieces)
    rows = torch.arange(ROWS)
    return Data(inputs, labels, rows[:700], rows[700:])


def trained(name: str, data: Data, seed: int, folder: Path) -> Trained:
    make = partial(NETWORKS[name], inputs=2 * WIDTH) if name == "body-mlp" else NETWORKS[name]
    return train(make, nn.BCEWithLogitsLoss(), data, METRIC, OPTIONS, seed, folder)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_learns_in_bfloat16_what_it_does_in_float32(name, planted, tmp_path, request):
    """The means of five seeds differ by less than the seeds do."""
    data, values = data_for(name, planted), {}
    for precision in ("float32", "bfloat16"):
        request.getfixturevalue(precision)
        histories = [trained(name, data, seed, tmp_path / precision / str(seed)).history for seed in range(5)]
        values[precision] = np.array([history["validation_f1_micro"].max() for history in histories])
    single, half = values.values()
    assert min(single.mean(), half.mean()) > 0.5, "otherwise nothing was learned"
    assert abs(single.mean() - half.mean()) < max(np.ptp(single), np.ptp(half))
    assert not np.array_equal(single, half), "otherwise both computed the same"


def test_what_is_trained_in_bfloat16_predicts_in_float32_and_its_course_tells_so(bfloat16, planted, tmp_path):
    data = data_for("body-mlp", planted)
    best = trained("body-mlp", data, 0, tmp_path)
    found = predict(best.model, data.inputs, data.validation, 64)
    with torch.inference_mode():
        np.testing.assert_allclose(found, best.model(data.inputs[0][data.validation]).numpy(), atol=1e-5)
    f1 = best_micro_f1(found, data.targets[data.validation].numpy())
    assert best.history["validation_f1_micro"].max() == pytest.approx(f1, abs=1e-6)


def test_networks_read_what_they_compute_in(bfloat16, planted):
    inputs, rows = data_for("sequence", planted).inputs, torch.tensor([3, 1])
    assert [each.dtype for each in gather(inputs, rows)] == [torch.float32, torch.float32, torch.bool]
    with torch.autocast("cpu", torch.bfloat16):
        assert [each.dtype for each in gather(inputs, rows)] == [torch.bfloat16, torch.bfloat16, torch.bool]


def test_a_training_that_began_in_float32_is_not_taken_up_in_bfloat16(planted, tmp_path, request):
    data, found = data_for("body-mlp", planted), []
    for precision in ("float32", "bfloat16"):
        request.getfixturevalue(precision)
        found.append(trained("body-mlp", data, 0, tmp_path).history)
    assert not found[0].equals(found[1])
