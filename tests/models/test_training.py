"""Training: it learns, stops, restores the best epoch, and a kill leaves no trace in the result."""

import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from stackstudy.models import course, training
from stackstudy.models.course import Metric
from stackstudy.models.mixup import Mixup
from stackstudy.models.mlp import BodyMLP
from stackstudy.models.rates import LayerRates
from stackstudy.models.tokens import TokenSequences
from stackstudy.models.training import Data, Options, predict, train
from stackstudy.runs import progress

OPTIONS = Options(learning_rate=0.01, weight_decay=0.01, batch_size=32, max_epochs=6, patience=6)
MIXUP = Mixup("input", alpha=0.4, epochs=3, late_dropout=0.1)
VARIANTS = {
    "plain": OPTIONS,
    "onecycle": replace(OPTIONS, schedule="onecycle", gradient_clip=0.5),
    "plateau": replace(OPTIONS, schedule="plateau"),
    "input mixup": replace(OPTIONS, mixup=MIXUP),
    "manifold mixup": replace(OPTIONS, mixup=replace(MIXUP, kind="manifold")),
}
ACCURACY = Metric("accuracy", lambda outputs, targets: ((outputs > 0) == targets).mean(), "max")


@pytest.fixture(autouse=True)
def a_state_after_each_epoch(monkeypatch):
    monkeypatch.setattr(course, "CHECKPOINT_SECONDS", 0)


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


def stagnant() -> Metric:
    """A metric under which the first epoch stays the best one."""
    return Metric("stagnant", lambda outputs, targets: 1.0, "max")


class Killed(BaseException):
    """Stands for the end of a process: nothing in the program catches it."""


def kill_after(epoch: int, monkeypatch) -> None:
    def report(stage: str, done: int, total: int, **_: float) -> None:
        if done == epoch:
            raise Killed

    monkeypatch.setattr(progress, "report", report)


@pytest.mark.parametrize("epoch", [1, 3, 4, 6])
@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
def test_a_killed_and_resumed_training_ends_with_the_same_bytes(tmp_path, monkeypatch, options, epoch):
    metric = stagnant() if options.schedule == "plateau" else ACCURACY
    undisturbed = run(tmp_path / "undisturbed", options=options, metric=metric)
    kill_after(epoch, monkeypatch)
    with pytest.raises(Killed):
        run(tmp_path / "killed", options=options, metric=metric)
    torch.rand(7)  # whatever drew random numbers in between
    epochs = []
    monkeypatch.setattr(progress, "report", lambda stage, done, total, **values: epochs.append(done))
    resumed = run(tmp_path / "killed", options=options, metric=metric)
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
t.progress.report = report
t.course.CHECKPOINT_SECONDS = 0
t.run(Path({folder!r}))
"""


def test_the_state_survives_sigkill(tmp_path):
    script = SCRIPT.format(tests=str(Path(__file__).parent), folder=str(tmp_path / "killed"))
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=False).returncode == -9
    assert (tmp_path / "killed" / "last.ckpt").exists()
    assert outputs(run(tmp_path / "killed")) == outputs(run(tmp_path / "undisturbed"))


def test_short_epochs_share_a_state(tmp_path, monkeypatch):
    monkeypatch.setattr(course, "CHECKPOINT_SECONDS", 3600)
    kill_after(3, monkeypatch)
    with pytest.raises(Killed):
        run(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_finished_training_is_not_repeated(tmp_path, monkeypatch):
    first = run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["finished.pt"]
    monkeypatch.setattr(training, "_fit", lambda *_: pytest.fail("trained again"))
    second = run(tmp_path)
    assert outputs(second) == outputs(first)
    assert second.history.equals(first.history)
    assert second.earlier_seconds > first.earlier_seconds == 0


def test_other_code_is_another_training(tmp_path, monkeypatch):
    first = run(tmp_path)
    monkeypatch.setattr(training, "code_hash", lambda *modules: f"code of {', '.join(sorted(modules))}")
    second = run(tmp_path)
    assert second.earlier_seconds == 0
    assert outputs(second) == outputs(first)
    monkeypatch.setattr(training, "code_hash", lambda *modules: "other code")
    assert run(tmp_path).earlier_seconds == 0
    assert run(tmp_path).earlier_seconds > 0


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


def mark(
    data: Data, loss: nn.Module, options: Options = OPTIONS, seed: int = 0, widths: tuple[int, ...] = (32,)
) -> str:
    torch.manual_seed(seed)
    network = BodyMLP(8, widths, 3, 0.3)
    return training._fingerprint(network, loss, data, ACCURACY, options, seed)


def test_all_that_decides_the_result_tells_trainings_apart():
    data, bce = planted(), nn.BCEWithLogitsLoss()
    one_number, one_label = data.inputs[0].clone(), data.targets.clone()
    one_number[101, 3] += 1e-6
    one_label[101, 2] = 1 - one_label[101, 2]
    marks = [
        mark(data, bce),
        mark(data, nn.BCEWithLogitsLoss(pos_weight=torch.tensor([1.0, 1.0, 2.0]))),
        mark(data, nn.BCEWithLogitsLoss(pos_weight=torch.tensor([1.0, 2.0, 1.0]))),
        mark(data, bce, seed=1),
        mark(data, bce, widths=(16,)),
        *(mark(data, bce, options) for options in VARIANTS.values() if options is not OPTIONS),
        mark(data, bce, replace(OPTIONS, mixup=replace(MIXUP, late_dropout=0.2))),
        mark(replace(data, inputs=(one_number,)), bce),
        mark(replace(data, targets=one_label), bce),
        mark(replace(data, train=data.train.flip(0)), bce),
    ]
    assert mark(planted(), bce) == marks[0]
    assert len(set(marks)) == len(marks)


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


def test_one_cycle_rises_for_three_tenths_of_the_steps_and_falls_to_nothing(tmp_path):
    options = replace(OPTIONS, max_epochs=10, patience=10, schedule="onecycle")
    rates = run(tmp_path, options=options).history["learning_rate"].to_list()
    assert rates.index(max(rates)) == 2
    assert rates[2] == pytest.approx(options.learning_rate, rel=0.01)
    assert rates == [*sorted(rates[:3]), *sorted(rates[3:], reverse=True)]
    assert rates[-1] < 1e-3 * options.learning_rate


@pytest.mark.parametrize(("mode", "sign"), [("max", 1), ("min", -1)])
def test_plateau_halves_the_rate_after_four_epochs_that_are_not_better(tmp_path, mode, sign):
    values = [sign * value for value in (0.1, 0.3, 0.3, 0.2, 0.3, 0.3, 0.3, 0.4)]
    options = replace(OPTIONS, max_epochs=8, patience=8, schedule="plateau")
    rates = run(tmp_path, options=options, metric=scripted(values, mode)).history["learning_rate"].to_list()
    assert rates == [0.01] * 6 + [0.005] * 2


def test_a_linear_schedule_rises_for_a_tenth_of_the_steps_and_falls_in_a_line(tmp_path):
    options = replace(OPTIONS, max_epochs=10, patience=10, schedule="linear")
    rates = run(tmp_path, options=options).history["learning_rate"].to_list()
    assert rates[0] == pytest.approx(options.learning_rate, rel=0.02)
    falls = [later - earlier for earlier, later in pairwise(rates)]
    assert falls == pytest.approx([-options.learning_rate / 9] * 9, rel=0.02)


class Deep(BodyMLP):
    """The first layer is taken for one that was trained before."""

    def layers(self) -> list[nn.Module]:
        return [self.body[0], self.head]


def test_layers_learn_at_their_own_rates(tmp_path):
    torch.manual_seed(0)
    before = make().state_dict()
    rates = LayerRates(head=0.02, decay=0.5)
    options = replace(OPTIONS, learning_rate=1e-9, schedule="linear", weight_decay=0.0, layer_rates=rates)
    network = lambda: Deep(inputs=8, hidden=(32,), outputs=3, dropout=0.3)  # noqa: E731
    trained = train(network, nn.BCEWithLogitsLoss(), planted(), ACCURACY, options, 0, tmp_path)
    after = trained.model.state_dict()
    torch.testing.assert_close(after["body.0.weight"], before["body.0.weight"], atol=1e-6, rtol=0)
    assert (after["head.weight"] - before["head.weight"]).abs().mean() > 0.02
    assert trained.history["learning_rate"].max() < 1e-8


class Bag(nn.Module):
    """Logits as the mean of what each token has learned, and a check that batches are hardly padded."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(20, 3)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        assert mask.double().mean() > 0.8
        return (self.tokens(ids) * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)


def worded(rows: int = 400) -> Data:
    """Texts of 5 to 30 tokens, with the label j where token j is among them."""
    random = torch.Generator().manual_seed(0)
    lengths = torch.randint(5, 31, (rows,), generator=random)
    ids = torch.randint(0, 20, (int(lengths.sum()),), generator=random, dtype=torch.int32)
    targets = torch.stack([torch.tensor([j in text for j in range(3)]) for text in ids.split(lengths.tolist())]).float()
    order = torch.arange(rows)
    validation = order[300:][lengths[300:].argsort()]
    return Data((TokenSequences(ids, lengths),), targets, order[:300], validation)


def test_texts_of_like_length_share_a_batch_and_outputs_keep_their_order(tmp_path):
    data, options = worded(), replace(OPTIONS, batch_size=10, learning_rate=0.1, max_epochs=8, patience=8)
    trained = train(Bag, nn.BCEWithLogitsLoss(), data, ACCURACY, options, 0, tmp_path)
    assert trained.history["validation_accuracy"].max() > 0.8
    rows = torch.randperm(400, generator=torch.Generator().manual_seed(1))
    logits = predict(trained.model, data.inputs, rows, 10)
    with torch.inference_mode():
        alone = [trained.model(*data.inputs[0][rows[place : place + 1]]) for place in range(0, 400, 40)]
    np.testing.assert_allclose(logits[::40], torch.cat(alone), atol=1e-6)


def test_a_long_epoch_tells_how_far_it_has_come(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(training, "LONG_EPOCH", 0.0)
    monkeypatch.setattr(progress, "report", lambda stage, done, total, **values: said.append((stage, done, total)))
    run(tmp_path, options=replace(OPTIONS, max_epochs=2))
    epochs = [[(f"epoch {epoch}, seed 0", done, 7) for done in range(1, 8)] for epoch in (1, 2)]
    assert said == [*epochs[0], ("training, seed 0", 1, 2), *epochs[1], ("training, seed 0", 2, 2)]


def test_gradients_are_clipped_to_their_norm(tmp_path, monkeypatch):
    norms = []
    step = torch.optim.AdamW.step

    def measured(self, closure):
        loss = step(self, closure)
        norms.append(torch.stack([p.grad.norm() for p in self.param_groups[0]["params"]]).norm().item())
        return loss

    monkeypatch.setattr(torch.optim.AdamW, "step", measured)
    run(tmp_path / "free", options=replace(OPTIONS, max_epochs=1))
    assert min(norms) > 0.05
    norms.clear()
    run(tmp_path / "clipped", options=replace(OPTIONS, max_epochs=1, gradient_clip=0.05))
    assert norms == pytest.approx([0.05] * 7, rel=1e-3)


def test_mixup_ends_and_late_dropout_begins(tmp_path, monkeypatch):
    seen = []

    def outputs(self, model, inputs, targets):
        seen.append(("mixed", len(targets)))
        return model(*inputs), targets

    class Watched(BodyMLP):
        def forward(self, body):
            if self.training:
                seen.append(self.body[2].p)
            return super().forward(body)

    monkeypatch.setattr(Mixup, "outputs", outputs)
    options = replace(OPTIONS, batch_size=200, mixup=replace(MIXUP, epochs=2))
    train(lambda: Watched(8, (32,), 3, 0.3), nn.BCEWithLogitsLoss(), planted(), ACCURACY, options, 0, tmp_path)
    assert seen == [("mixed", 200), 0.3, ("mixed", 200), 0.3, 0.1, 0.1, 0.1, 0.1]


class WithBatchNorm(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3))


def test_a_last_batch_of_one_row_does_not_stop_batch_normalisation(tmp_path):
    options = replace(OPTIONS, batch_size=199, max_epochs=2, schedule="onecycle")
    trained = train(WithBatchNorm, nn.BCEWithLogitsLoss(), planted(), ACCURACY, options, 0, tmp_path)
    assert trained.history["train_loss"].is_finite().all()


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_label_without_rows_is_never_predicted_and_stops_nothing(tmp_path, split):
    data = planted()
    targets = data.targets.clone()
    targets[getattr(data, split), 1] = 0
    options = replace(OPTIONS, max_epochs=15, patience=15)
    trained = train(make, nn.BCEWithLogitsLoss(), replace(data, targets=targets), ACCURACY, options, 0, tmp_path)
    logits = predict(trained.model, data.inputs, data.validation, 64)
    assert trained.history["validation_accuracy"].is_finite().all()
    if split == "train":
        assert logits[:, 1].max() < logits[:, [0, 2]].max()
