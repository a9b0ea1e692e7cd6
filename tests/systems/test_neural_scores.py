import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from stackstudy.evaluation.scores import row_sums
from stackstudy.models.dropout import Dropout
from stackstudy.models.saving import load_model
from stackstudy.params import ScoresNeural
from stackstudy.systems import neural_scores
from stackstudy.systems.data import Data, Fitted
from stackstudy.systems.saved import load_system

SINGLE, FUSIONS = ("title-mlp", "body-mlp"), ("dsf-crossattn", "dsf-mhsa")
NETWORKS = (*SINGLE, *FUSIONS)
TARGETS = ("raw", "signed-log", "median")
CHUNKS = ("body_chunks", "body_chunks_offsets")


def parameters(system: str = "body-mlp", **changes) -> ScoresNeural:
    fields = {"profile": "smoke", "experiment": "22-scores-neural", "strata": None, "name": system, "system": system}
    fields |= {"target": "raw", "keys": "body", "hidden": (32,), "dropout": 0.1, "learning_rate": 0.01}
    fields |= {"weight_decay": 0.01, "schedule": "constant", "batch_size": 32, "max_epochs": 12, "patience": 8}
    return ScoresNeural(**fields | {"seeds": (0,), "device": "cpu", "devices": 1} | changes)


def fit(data: Data, folder, system: str = "body-mlp", **changes) -> Fitted:
    return neural_scores.neural_scores(data, parameters(system, **changes), folder)


def point(fitted: Fitted, data: Data, split: str = "test") -> dict[str, float]:
    rows = data.rows(split)
    return row_sums(data.scores()[rows], fitted.predictions.at(rows)[0]).point()


def scored(data: Data, scores) -> Data:
    return replace(data, questions=data.questions.with_columns(score=pl.Series(scores)))


@pytest.fixture
def noisy(asked) -> tuple[Data, float]:
    """Scores with noise that no vector shows, and the R2 on test rows of the best that one could predict."""
    visible = asked.scores()
    score = visible + np.random.default_rng(5).normal(scale=3, size=400).round()
    test = asked.rows("test")
    return scored(asked, score), row_sums(score[test], visible[test]).point()["r2"]


@pytest.fixture
def chunked(asked) -> Data:
    """Bodies of one to three chunks, of which the last one is the body vector and the others are noise."""
    random = np.random.default_rng(2)
    lengths = random.integers(1, 4, 400)
    offsets = np.concatenate([[0], lengths.cumsum()])
    chunks = random.normal(size=(offsets[-1], 16)).astype(np.float16)
    chunks[offsets[1:] - 1] = asked.streams["body"]
    return replace(asked, streams={**asked.streams, **dict(zip(CHUNKS, (chunks, offsets), strict=True))})


def test_every_system_that_parameters_allow_is_registered():
    assert set(ScoresNeural.model_fields["system"].annotation.__args__) == {
        *neural_scores.SINGLE,
        *neural_scores.FUSIONS,
    }


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("system", NETWORKS)
def test_every_network_learns_every_target_but_no_more_than_there_is(noisy, tmp_path, system, target):
    data, ceiling = noisy
    fitted = fit(data, tmp_path, system, target=target, name=f"{system}-{target}")
    assert 0.25 < point(fitted, data)["r2"] < ceiling
    assert point(fitted, data)["spearman"] > 0.65
    assert fitted.predictions.system == f"{system}-{target}"


@pytest.mark.parametrize("system", FUSIONS)
def test_fusions_learn_from_the_chunks_of_bodies(chunked, tmp_path, system):
    silent = replace(chunked, streams=chunked.streams | {"title": np.zeros_like(chunked.streams["title"])})
    fitted = fit(silent, tmp_path, system, keys="body_chunks", max_epochs=15)
    assert point(fitted, silent)["r2"] > 0.3
    assert load_model(tmp_path / "model").streams == ("title", "body_chunks")


@pytest.mark.parametrize("system", FUSIONS)
def test_fusions_read_the_number_of_tags_up_to_five(asked, tmp_path, system):
    """Scores that follow from the number of tags alone, among questions whose vectors say nothing."""
    counts = np.random.default_rng(3).integers(1, 8, 400)
    tagged = scored(asked, 3 * counts.clip(max=5))
    questions = tagged.questions.with_columns(tags=pl.Series([["a"] * count for count in counts]))
    silent = replace(tagged, questions=questions, streams={n: np.zeros_like(s) for n, s in asked.streams.items()})
    fitted = fit(silent, tmp_path, system, max_epochs=20, patience=20)
    assert point(fitted, silent)["r2"] > 0.8
    values = fitted.predictions.values[0]
    of_rows = counts[fitted.predictions.rows]
    assert np.ptp(values[of_rows >= 5]) < 1e-4 < np.ptp(values[of_rows <= 5])


@pytest.mark.parametrize("target", TARGETS)
def test_the_tail_moves_the_raw_target_and_hardly_the_others(asked, tmp_path, target):
    """One training question in fifty gets a thousand votes, for nothing that its vectors show."""
    train = asked.rows("train")
    scores = asked.scores().copy()
    scores[train[::50]] = 1000
    fitted = fit(scored(asked, scores), tmp_path, target=target)
    error = point(fitted, asked)["mae"]
    assert error > 8 if target == "raw" else error < 3


@pytest.mark.parametrize("system", SINGLE)
def test_the_networks_of_one_vector_have_two_gelu_layers(system):
    network = neural_scores._network(parameters(system, hidden=(8, 4)), 16)()
    assert [type(layer) for layer in network.body] == [nn.Linear, nn.GELU, Dropout] * 2
    assert network(torch.zeros(3, 16)).shape == (3, 1)


def test_the_loss_is_the_one_of_the_target():
    losses = [type(neural_scores._loss(parameters(target=target))) for target in TARGETS]
    assert losses == [nn.MSELoss, nn.MSELoss, nn.L1Loss]


def test_history_tells_losses_of_the_target_and_the_error_in_votes(asked, tmp_path):
    for target in TARGETS:
        fitted = fit(asked, tmp_path, target=target, seeds=(0, 1), max_epochs=4)
        columns = ["seed", "epoch", "train_loss", "validation_loss", "validation_rmse"]
        assert fitted.history.columns[:5] == columns
        assert fitted.history.group_by("seed", maintain_order=True).len()["len"].to_list() == [4, 4]
        kept = fitted.history.filter(seed=0).sort("validation_loss")["validation_rmse"][0]
        assert kept == pytest.approx(point(fitted, asked, "validation")["rmse"], rel=1e-5)


def test_the_raw_epoch_is_that_of_the_lowest_error(asked, tmp_path):
    fitted = fit(asked, tmp_path)
    assert fitted.history["validation_rmse"].min() == pytest.approx(
        point(fitted, asked, "validation")["rmse"], rel=1e-5
    )


@pytest.fixture
def unlearnable(asked) -> Data:
    """Scores that follow from nothing: whatever is learned of them is learned by heart."""
    return scored(asked, np.random.default_rng(4).normal(scale=10, size=400).round())


@pytest.mark.parametrize("system", ["body-mlp", "dsf-mhsa"])
def test_without_patience_the_last_epoch_is_kept_and_early_stopping_shows_its_worth(unlearnable, tmp_path, system):
    changes = {"max_epochs": 40, "dropout": 0.0}
    stopped = fit(unlearnable, tmp_path / "stopped", system, patience=4, **changes)
    whole = fit(unlearnable, tmp_path / "whole", system, patience=None, name="whole", **changes)
    epochs = len(stopped.history)
    assert epochs < 40 == len(whole.history)
    assert whole.history[:epochs].equals(stopped.history)  # the same way, as far as both go
    last = whole.history["validation_rmse"][-1]
    assert point(whole, unlearnable, "validation")["rmse"] == pytest.approx(last, rel=1e-5)
    assert last > 1.1 * point(stopped, unlearnable, "validation")["rmse"]
    assert point(whole, unlearnable)["rmse"] > point(stopped, unlearnable)["rmse"]
    losses = whole.history.select("train_loss", "validation_loss").row(-1)
    assert losses[0] < 0.5 < 1 < losses[1]


def test_a_killed_run_without_patience_ends_with_the_same_predictions(asked, tmp_path, monkeypatch):
    changes = {"patience": None, "max_epochs": 5, "seeds": (0, 1)}
    undisturbed = fit(asked, tmp_path / "undisturbed", **changes)

    def report(stage: str, done: int, total: int, **_: float) -> None:
        if (stage, done) == ("training, seed 1", 3):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("stackstudy.runs.progress.report", report)
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            fit(asked, tmp_path / "killed", **changes)
    resumed = fit(asked, tmp_path / "killed", **changes)
    assert resumed.predictions.values.tobytes() == undisturbed.predictions.values.tobytes()
    assert resumed.history.equals(undisturbed.history)
    assert (resumed.predictions.values[0] != resumed.predictions.values[1]).any()


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("system", NETWORKS)
def test_the_saved_model_and_its_target_give_the_predictions_again(asked, tmp_path, system, target):
    predictions = fit(asked, tmp_path, system, target=target, max_epochs=1).predictions
    saved = load_model(tmp_path / "model")
    assert (saved.labels, saved.encoder, saved.thresholds) == (("score",), "toy", {})
    again, rows = load_system(tmp_path / "model", system), predictions.rows[::-1]
    assert (again.kind, again.streams) == ("scores", saved.streams)
    for data, places in ((asked, rows), (asked.take(rows), np.arange(rows.size))):
        values = again.apply(data, places)[0]
        np.testing.assert_allclose(values, predictions.values[0, ::-1], rtol=1e-4, atol=1e-5)
    assert json.loads((tmp_path / "model" / "model.json").read_text())["target"]["log"] == (target != "raw")


def test_the_learned_target_is_standardised_on_training_rows_alone(asked):
    tensors = neural_scores._tensors(asked, neural_scores._target(asked, parameters()), parameters())
    train = tensors.targets[tensors.train]
    assert tensors.targets.shape == (400, 1)
    assert (train.mean().item(), train.std(correction=0).item()) == pytest.approx((0, 1), abs=1e-5)


def test_strata_are_all_that_there_is(chunked, tmp_path):
    inside = chunked.within(("new",))
    chunks, offsets = (inside.streams[name] for name in CHUNKS)
    rows = np.flatnonzero((chunked.questions["stratum"] == "new").to_numpy())
    np.testing.assert_array_equal(chunks[offsets[1:] - 1], chunked.streams["body"][rows])
    assert np.diff(offsets).tolist() == np.diff(chunked.streams["body_chunks_offsets"])[rows].tolist()
    fitted = fit(inside, tmp_path, "dsf-mhsa", keys="body_chunks", strata=("new",), max_epochs=2)
    assert len(fitted.predictions.rows) == len(inside.rows("validation", "test"))
    assert fitted.predictions.parameters["strata"] == ["new"]


@pytest.mark.parametrize("score", [0, 7, -3])
@pytest.mark.parametrize("target", TARGETS)
def test_a_constant_target_is_predicted(asked, tmp_path, target, score):
    fitted = fit(scored(asked, np.full(400, score)), tmp_path, target=target, max_epochs=2)
    np.testing.assert_allclose(fitted.predictions.values, score, atol=1e-5)
    assert fitted.history["validation_rmse"].max() < 1e-5


def test_negative_scores_come_back_from_the_log_within_those_of_training_rows(asked, tmp_path):
    scores = np.where(asked.scores() > 5, -20, 3)
    test = asked.rows("test")
    for target in TARGETS[1:]:
        values = fit(scored(asked, scores), tmp_path, target=target).predictions.at(test)[0]
        assert np.corrcoef(values, scores[test])[0, 1] > 0.7
        assert -20.001 <= values.min() < -10
        assert values.max() <= 3.001


@pytest.mark.parametrize("system", NETWORKS)
def test_one_training_row_is_refused_and_two_are_enough(asked, tmp_path, system):
    splits = [asked.rows(split) for split in ("train", "validation", "test")]
    for count in (1, 2):
        few = asked.take(np.sort(np.concatenate([splits[0][:count], splits[1][:1], splits[2][:1]])))
        if count == 1:
            with pytest.raises(ValueError, match="one train row: take more questions"):
                fit(few, tmp_path, system)
        else:
            assert np.isfinite(fit(few, tmp_path, system, max_epochs=2).predictions.values).all()


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_scores_that_are_no_numbers_are_refused(asked, tmp_path, wrong):
    with pytest.raises(ValueError, match=f"row 7, column score: a finite number is needed, found {wrong}"):
        fit(scored(asked, np.where(np.arange(400) == 7, wrong, 1.0)), tmp_path)


@pytest.mark.parametrize("system", NETWORKS)
def test_vectors_of_zeros_make_one_prediction_for_all(asked, tmp_path, system):
    questions = asked.questions.with_columns(tags=pl.lit(["a"], pl.List(pl.String)))
    zeros = Data(questions, {name: np.zeros_like(stream) for name, stream in asked.streams.items()}, "toy")
    values = fit(zeros, tmp_path, system, max_epochs=2).predictions.values
    assert np.ptp(values) < 1e-4
    assert np.isfinite(values).all()


@pytest.mark.parametrize("system", NETWORKS)
def test_test_scores_are_not_looked_at(asked, tmp_path, system):
    hidden = asked.scores().copy()
    hidden[asked.rows("test")] = 999
    first, second = (fit(data, tmp_path, system, max_epochs=2) for data in (asked, scored(asked, hidden)))
    np.testing.assert_array_equal(first.predictions.values, second.predictions.values)


def test_streams_are_those_that_the_system_reads():
    streams = [neural_scores.streams_of(parameters(system)) for system in (*SINGLE, "dsf-mhsa")]
    assert streams == [("title",), ("body",), ("title", "body")]
    assert neural_scores.streams_of(parameters("dsf-mhsa", keys="body_chunks")) == ("title", *CHUNKS)


def test_a_stream_that_is_missing_or_has_gaps_is_named(asked, tmp_path):
    with pytest.raises(ValueError, match="reads the embedding stream 'title'"):
        fit(replace(asked, streams={"body": asked.streams["body"]}), tmp_path, "title-mlp")
    gaps = asked.streams["body"].copy()
    gaps[5, 3] = np.nan
    for system in ("body-mlp", *FUSIONS):
        with pytest.raises(ValueError, match=r"'body' has missing or infinite values in 1 rows, the first is row 5"):
            fit(replace(asked, streams=asked.streams | {"body": gaps}), tmp_path, system)


@pytest.mark.parametrize(
    ("system", "changes", "message"),
    [
        ("title-mlp", {"keys": "body_chunks"}, "title-mlp reads one vector a question: it takes keys body"),
        ("dsf-mhsa", {"hidden": (32, 16)}, "hidden: dsf-mhsa has one width, not 2"),
    ],
)
def test_what_a_network_would_ignore_is_refused(system, changes, message):
    with pytest.raises(ValidationError, match=message):
        parameters(system, **changes)
