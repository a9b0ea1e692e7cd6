"""Training: it learns, stops, restores the best epoch, and a kill leaves no trace in the result."""

import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from stackstudy.models import training
from stackstudy.models.mlp import BodyMLP
from stackstudy.models.training import Data, Metric, Options, predict, train

OPTIONS = Options(learning_rate=0.01, weight_decay=0.01, batch_size=32, max_epochs=6, patience=6)
ACCURACY = Metric("accuracy", lambda outputs, targets: ((outputs > 0) == targets).mean(), "max")


def planted(rows: int = 300) -> Data:
    """Labels that follow from the inputs, and noise that only the training rows could teach by heart."""
    random = torch.Generator().manual_seed(0)
    inputs = torch.randn(rows, 8, generator=random)
    truth = inputs @ torch.randn(8, 3, generator=random)
    targets = (truth + torch.randn(rows, 3, generator=random) > 0).float()
    order = torch.arange(rows)
    return Data((inputs,), targets, order[: rows * 2 // 3], order[rows * 2 // 3 :])


def make() -> nn.Module:
    return BodyMLP(inputs=8, hidden=(32,), outputs=3, dropout=0.3)


def run(folder: Path, seed: int = 0, options: Options = OPTIONS, metric: Metric = ACCURACY) -> training.Trained:
    return train(make, nn.BCEWithLogitsLoss(), planted(), metric, options, seed, folder)


def outputs(trained: training.Trained) -> bytes:
    return predict(trained.model, planted().inputs, planted().validation, 64).tobytes()


def test_it_learns_and_tells_its_course(tmp_path):
    trained = run(tmp_path, options=replace(OPTIONS, max_epochs=15, patience=15))
    columns = ["epoch", "train_loss", "validation_loss", "validation_accuracy", "learning_rate"]
    assert trained.history.columns == columns
    assert trained.history["epoch"].to_list() == list(range(1, 16))
    assert trained.history["validation_accuracy"].max() > 0.75
    assert trained.history["train_loss"][-1] < 0.8 * trained.history["train_loss"][0]
    assert set(trained.history["learning_rate"]) == {0.01}


def test_the_seed_decides_the_result(tmp_path):
    first, again, other = (outputs(run(tmp_path / str(n), seed)) for n, seed in enumerate((3, 3, 4)))
    assert first == again
    assert first != other


class Killed(BaseException):
    """Stands for the end of a process: nothing in the program catches it."""


def kill_after(epoch: int, monkeypatch) -> None:
    def report(stage: str, done: int, total: int, **_: float) -> None:
        if done == epoch:
            raise Killed

    monkeypatch.setattr(training.progress, "report", report)


@pytest.mark.parametrize("epoch", [1, 4, 6])
def test_a_killed_and_resumed_training_ends_with_the_same_bytes(tmp_path, monkeypatch, epoch):
    undisturbed = run(tmp_path / "undisturbed")
    kill_after(epoch, monkeypatch)
    with pytest.raises(Killed):
        run(tmp_path / "killed")
    torch.rand(7)  # whatever drew random numbers in between
    epochs = []
    monkeypatch.setattr(training.progress, "report", lambda stage, done, total, **values: epochs.append(done))
    resumed = run(tmp_path / "killed")
    assert epochs == list(range(epoch + 1, 7))
    assert outputs(resumed) == outputs(undisturbed)
    assert resumed.history.equals(undisturbed.history)


SCRIPT = """
import os, signal, sys
sys.path.insert(0, {tests!r})
from pathlib import Path
import test_training as t
def report(stage, done, total, **values):
    if done == 2:
        os.kill(os.getpid(), signal.SIGKILL)
t.training.progress.report = report
t.run(Path({folder!r}))
"""


def test_the_state_survives_sigkill(tmp_path):
    script = SCRIPT.format(tests=str(Path(__file__).parent), folder=str(tmp_path / "killed"))
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=False).returncode == -9
    assert (tmp_path / "killed" / "last.ckpt").exists()
    assert outputs(run(tmp_path / "killed")) == outputs(run(tmp_path / "undisturbed"))


def test_a_finished_training_is_not_repeated(tmp_path, monkeypatch):
    first = run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["finished.pt"]
    monkeypatch.setattr(training, "_fit", lambda *_: pytest.fail("trained again"))
    second = run(tmp_path)
    assert outputs(second) == outputs(first)
    assert second.history.equals(first.history)


@pytest.mark.parametrize("state", ["last.ckpt", "finished.pt"])
def test_what_another_training_left_is_not_taken_up(tmp_path, monkeypatch, state):
    with monkeypatch.context() as patch:
        if state == "last.ckpt":
            kill_after(3, patch)
        with suppress(Killed):
            run(tmp_path / "a")
    assert (tmp_path / "a" / state).exists()
    other = replace(OPTIONS, learning_rate=0.003)
    assert outputs(run(tmp_path / "a", options=other)) == outputs(run(tmp_path / "b", options=other))


def scripted(values: list[float], mode: str) -> Metric:
    """A metric that takes these values, epoch after epoch."""
    left = iter(values)
    return Metric("scripted", lambda outputs, targets: next(left), mode)


@pytest.mark.parametrize(("mode", "sign"), [("max", 1), ("min", -1)])
def test_it_stops_and_restores_the_best_epoch(tmp_path, mode, sign):
    values = [sign * value for value in (0.1, 0.5, 0.5, 0.3, 0.9)]
    stopped = run(tmp_path / "stopped", options=replace(OPTIONS, patience=2), metric=scripted(values, mode))
    two_epochs = run(tmp_path / "two", options=replace(OPTIONS, max_epochs=2), metric=scripted(values, mode))
    assert stopped.history["validation_scripted"].to_list() == values[:4]
    assert outputs(stopped) == outputs(two_epochs)


def test_a_training_killed_when_it_should_have_stopped_stops(tmp_path, monkeypatch):
    options = replace(OPTIONS, patience=2)
    kill_after(3, monkeypatch)
    with pytest.raises(Killed):
        run(tmp_path, options=options, metric=scripted([0.9, 0.5, 0.5], "max"))
    resumed = run(tmp_path, options=options, metric=scripted([], "max"))
    assert len(resumed.history) == 3


def test_a_diverged_training_says_so(tmp_path):
    with pytest.raises(ValueError, match=r"diverged in epoch 2.*lower the learning rate"):
        run(tmp_path, metric=scripted([0.5, float("nan")], "max"))


@pytest.mark.filterwarnings("error")
def test_it_says_nothing_of_its_own(tmp_path, capfd):
    run(tmp_path)
    assert capfd.readouterr() == ("", "")
    assert [path.name for path in tmp_path.iterdir()] == ["finished.pt"]


def test_half_precision_files_become_single_precision_on_cpu(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(6, dtype=np.float16).reshape(3, 2))
    tensor = training.to_device(np.load(tmp_path / "x.npy", mmap_mode="r"), "cpu")
    assert tensor.dtype == torch.float32
    assert tensor.tolist() == [[0, 1], [2, 3], [4, 5]]
