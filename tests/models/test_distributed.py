"""A training in two processes is that in one, to rounding; a failure in one of them is the failure of the training."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.multiprocessing import ProcessRaisedException

from stackstudy.evaluation.tags import best_micro_f1
from stackstudy.models import distributed, training
from stackstudy.models.batches import MappedPieces
from stackstudy.models.course import Metric
from stackstudy.models.dsf import DSFMHSA
from stackstudy.models.training import Data, Options, predict, train

OPTIONS = Options(
    learning_rate=0.01, weight_decay=0.01, batch_size=32, max_epochs=3, patience=3, schedule="onecycle", gradient_clip=1
)
METRIC = Metric("f1_micro", best_micro_f1, "max")


@pytest.fixture
def data(tmp_path):
    """Titles, and bodies in a file; the last batch has 9 rows, of which the processes get 5 and 4."""
    random = np.random.default_rng(0)
    pieces = random.normal(size=(260, 3, 8)).astype(np.float16)
    np.save(tmp_path / "pieces.npy", pieces)
    mask = np.arange(3) < random.integers(0, 4, size=(260, 1))
    titles = torch.from_numpy(random.normal(size=(260, 8)).astype(np.float32))
    targets = (titles[:, :4] + torch.from_numpy(pieces[:, 0, :4].astype(np.float32)) > 0).float()
    mapped = MappedPieces(np.load(tmp_path / "pieces.npy", mmap_mode="r"), mask, "cpu")
    order = torch.arange(260)
    return Data((titles, mapped), targets, order[:201], order[201:])


def make() -> nn.Module:
    return DSFMHSA(inputs=8, hidden=16, outputs=4, dropout=0.0)


def run(data, folder, options):
    return train(make, nn.BCEWithLogitsLoss(), data, METRIC, options, 0, folder)


def test_two_processes_learn_what_one_does(data, tmp_path, float32):
    one = run(data, tmp_path / "one", OPTIONS)
    two = run(data, tmp_path / "two", replace(OPTIONS, devices=2))
    outputs = [predict(trained.model, data.inputs, data.validation, 64) for trained in (one, two)]
    np.testing.assert_allclose(*outputs, atol=1e-4)
    np.testing.assert_allclose(two.history.to_numpy(), one.history.to_numpy(), rtol=1e-4)
    assert [path.name for path in (tmp_path / "two").iterdir()] == ["finished.pt"]


def test_parts_weigh_what_they_are_of_the_batch():
    batch = torch.arange(7)
    parts = [distributed.share(batch, rank, 3) for rank in range(3)]
    assert torch.cat(parts).sort().values.equal(batch)
    losses = batch.double() ** 2
    means = [losses[part].mean() * distributed.weight(part, batch, 3) for part in parts]
    assert torch.stack(means).mean() == losses.mean()


def test_a_training_that_diverges_says_so(data, tmp_path):
    with pytest.raises(ProcessRaisedException, match="training diverged in epoch 1"):
        run(data, tmp_path, replace(OPTIONS, devices=2, learning_rate=1e30, gradient_clip=None))


def test_more_gpus_than_there_are_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match="devices: 2 are asked for, there are 1 GPUs"):
        training._check_devices("cuda", replace(OPTIONS, devices=2))


def test_another_process_maps_the_file_instead_of_being_sent_it(data):
    (_, mapped), rows = data.inputs, torch.tensor([3, 200])
    sent = pickle.dumps(mapped)
    assert len(sent) < 3000 + mapped.mask.nbytes < mapped.vectors.nbytes
    for found, known in zip(pickle.loads(sent)[rows], mapped[rows], strict=True):
        assert torch.equal(found, known)
