"""Networks for tags: each learns what its streams tell, under the protocol, loss and inputs that are asked for."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from torch import nn

from stackstudy.evaluation.tables import tag_systems
from stackstudy.evaluation.tags import choose_threshold, micro_f1_at
from stackstudy.evaluation.thresholds import thresholds
from stackstudy.models import training
from stackstudy.models.losses import AsymmetricLoss, FocalLoss
from stackstudy.models.saving import load_model
from stackstudy.params import TagsNeural
from stackstudy.runs import progress
from stackstudy.systems import neural
from stackstudy.systems.data import TagData
from stackstudy.systems.saved import load_system

MLP = {"system": "body-mlp", "hidden": (32,), "learning_rate": 0.01, "keys": "body", "label_count": False}
MLP |= {"loss": "bce", "gamma_negative": 2.0, "gamma_positive": 1.0, "dropout": 0.1, "late_dropout": 0.1}
MLP |= {"weight_decay": 0.01, "schedule": "constant", "gradient_clip": None, "mixup": "none", "mixup_alpha": 0.2}
MLP |= {"mixup_epochs": 0, "batch_size": 64, "max_epochs": 8, "patience": 8, "seeds": (0, 1), "device": "cpu"}
MLP |= {"devices": 1}
CHUNKS, TOKENS = ("body_chunks", "body_chunks_offsets"), ("body_tokens", "body_tokens_mask")
KEYS = ("body", "body_chunks", "body_tokens")
FUSIONS = ("dsf-mhsa", "dsf-crossattn", "sequence-dsf")


def parameters(**changes) -> TagsNeural:
    fields = {"profile": "smoke", "experiment": "13-tags-neural", "name": "tried", "protocol": "corrected"}
    return TagsNeural(**fields | MLP | changes)


def fusion(system: str, **changes) -> dict:
    return {"system": system, "keys": "body_chunks", "seeds": (0,), "batch_size": 32} | changes


def fit(data, folder, **changes):
    chosen = parameters(**changes)
    return neural.neural(data, chosen, folder)


def f1(fitted, data) -> float:
    return tag_systems([fitted.predictions], data.questions, data.space.labels)["tried"][0].point()["f1_micro"]


@pytest.fixture
def full(data) -> TagData:
    """With titles and with pieces of bodies: a noisy one per label and one without meaning; the first body has none."""
    random = np.random.default_rng(1)
    labels, width = data.labels(), data.streams["body"].shape[1]
    directions = random.normal(size=(labels.shape[1], width))
    pieces = [directions[np.flatnonzero(true)] for true in labels]
    pieces = [np.vstack([mine, np.zeros((1, width))]) for mine in pieces]
    pieces[0] = pieces[0][:0]
    offsets = np.concatenate([[0], np.cumsum([len(mine) for mine in pieces])])
    chunks = np.vstack(pieces)
    chunks = (chunks + 0.3 * random.normal(size=chunks.shape)).astype(np.float16)
    tokens, mask = np.zeros((len(labels), 6, width), np.float16), np.arange(6) < np.diff(offsets)[:, None]
    tokens[mask] = chunks
    title = (labels @ directions + 2 * random.normal(size=(len(labels), width))).astype(np.float16)
    streams = {"title": title, "body_chunks": chunks, "body_chunks_offsets": offsets}
    return replace(data, streams=data.streams | streams | {"body_tokens": tokens, "body_tokens_mask": mask})


def relabelled(data: TagData, labels: np.ndarray) -> TagData:
    return replace(data, space=replace(data.space, labels=csr_array(labels)))


def test_every_system_that_parameters_allow_is_there():
    assert set(TagsNeural.model_fields["system"].annotation.__args__) == {
        "body-mlp",
        "label-attention",
        *neural.FUSIONS,
    }


def test_body_mlp_learns(data, tmp_path):
    fitted = fit(data, tmp_path)
    point = tag_systems([fitted.predictions], data.questions, data.space.labels)["tried"][0].point()
    everything = micro_f1_at(np.ones_like(data.labels(), dtype=float), data.labels(), np.array([0.5]))[0]
    assert point["f1_micro"] > 0.8 > 1.5 * everything
    assert point["lrap"] > 0.85


def test_it_predicts_validation_and_test_rows_for_each_seed(data, tmp_path):
    predictions = fit(data, tmp_path).predictions
    assert predictions.values.shape == (2, len(data.rows("validation", "test")), 5)
    assert predictions.seeds.tolist() == [0, 1]
    assert predictions.parameters["hidden"] == [32]
    assert (predictions.values[0] != predictions.values[1]).any()


def test_history_has_a_row_per_seed_and_epoch(data, tmp_path):
    history = fit(data, tmp_path).history
    assert history.columns[:5] == ["seed", "epoch", "train_loss", "validation_loss", "validation_f1_micro"]
    assert history.group_by("seed").len()["len"].to_list() == [8, 8]


def test_the_saved_model_gives_the_predictions_again(data, tmp_path):
    predictions = fit(data, tmp_path).predictions
    saved = load_model(tmp_path / "model")
    assert (saved.labels, saved.streams, saved.encoder) == (tuple(data.space.names), ("body",), "toy")
    body = torch.from_numpy(data.streams["body"][predictions.rows].astype(np.float32))
    for seed, values in zip(predictions.seeds.tolist(), predictions.values, strict=True):
        logits = training.predict(saved.models[seed], (body,), torch.arange(len(body)), 64)
        np.testing.assert_array_equal(1 / (1 + np.exp(-logits)) > 0.5, values > 0.5)
        np.testing.assert_allclose(1 / (1 + np.exp(-logits)), values, atol=1e-6)
    assert list(saved.thresholds.values()) == thresholds(predictions, data.questions, data.space.labels)


@pytest.mark.parametrize(("protocol", "split"), [("corrected", "validation"), ("published", "test")])
def test_the_protocol_says_on_which_rows_epoch_and_threshold_are_chosen(data, tmp_path, protocol, split):
    fitted = fit(data, tmp_path, protocol=protocol, seeds=(0,))
    rows = data.rows(split)
    probabilities, labels = fitted.predictions.at(rows)[0], data.labels(rows)
    best = choose_threshold(probabilities, labels)
    assert list(load_model(tmp_path / "model").thresholds.values()) == [best]
    reached = micro_f1_at(probabilities, labels, np.array([best]))[0]
    assert reached == pytest.approx(fitted.history["validation_f1_micro"].max(), abs=1e-6)


@pytest.mark.parametrize("keys", KEYS)
@pytest.mark.parametrize("system", FUSIONS)
def test_fusion_networks_learn_from_every_kind_of_pieces(full, tmp_path, system, keys):
    fitted = fit(full, tmp_path, **fusion(system, keys=keys))
    everything = micro_f1_at(np.ones_like(full.labels(), dtype=float), full.labels(), np.array([0.5]))[0]
    assert f1(fitted, full) > 0.8 > 1.5 * everything
    assert np.isfinite(fitted.predictions.values).all()
    saved = load_model(tmp_path / "model")
    assert saved.streams == ("title", keys)
    assert fitted.size == sum(weight.numel() for weight in saved.models[0].parameters())


@pytest.mark.parametrize("changes", [{}, *(fusion(system, keys=keys) for system in FUSIONS for keys in KEYS)])
def test_saved_it_predicts_the_same_whatever_stands_beside_a_question(full, tmp_path, changes):
    """The longest bodies are left out: others are then padded to fewer pieces."""
    predictions = fit(full, tmp_path, **changes | {"max_epochs": 1, "seeds": (0, 1)}).predictions
    saved = load_system(tmp_path / "model", "tried")
    lengths = np.diff(full.streams["body_chunks_offsets"])
    rows = predictions.rows[lengths[predictions.rows] < lengths.max()][::-1]
    for data, places in ((full, rows), (full.take(rows), np.arange(rows.size))):
        found = saved.apply(data, places)
        assert list(found) == [0, 1]
        np.testing.assert_allclose(np.stack([*found.values()]), predictions.at(rows[::-1])[:, ::-1], atol=1e-5)


@pytest.mark.parametrize("system", FUSIONS)
def test_a_network_that_reads_the_number_of_labels_is_not_for_new_questions(full, tmp_path, system):
    fit(full, tmp_path, **fusion(system, keys="body", protocol="published", label_count=True, max_epochs=1))
    with pytest.raises(ValueError, match=r"reads the number of labels .* Nobody knows it of a new question"):
        neural.load(tmp_path / "model")


@pytest.mark.parametrize("changes", [{}, *(fusion(system) for system in FUSIONS)])
def test_training_rows_do_not_see_test_labels(full, tmp_path, changes):
    """With other labels in the test rows, a corrected run predicts the same."""
    labels = full.labels()
    labels[full.rows("test")] = ~labels[full.rows("test")]
    changes = changes | {"seeds": (0,), "max_epochs": 2}
    first, second = fit(full, tmp_path / "a", **changes), fit(relabelled(full, labels), tmp_path / "b", **changes)
    np.testing.assert_array_equal(first.predictions.values, second.predictions.values)


@pytest.mark.parametrize("system", FUSIONS)
def test_the_label_count_leaks_the_labels_of_test_rows_into_their_predictions(full, tmp_path, system):
    """Streams that say nothing but how many labels there are: only the published network can know it."""
    silent = replace(full, streams=full.streams | {"title": np.zeros_like(full.streams["title"])})
    silent = replace(silent, streams=silent.streams | {"body": np.zeros_like(full.streams["body"])})
    counts = full.labels(full.rows("validation", "test")).sum(axis=1)
    changes = fusion(system, keys="body", protocol="published", max_epochs=20, patience=20)
    leaking = fit(silent, tmp_path / "leaking", label_count=True, **changes).predictions.values[0].sum(axis=1)
    blind = fit(silent, tmp_path / "blind", **changes).predictions.values[0].sum(axis=1)
    assert np.corrcoef(leaking, counts)[0, 1] > 0.9
    assert np.ptp(blind) < 1e-5


LOSSES = {
    "bce": nn.BCEWithLogitsLoss,
    "bce-weighted": nn.BCEWithLogitsLoss,
    "asl": AsymmetricLoss,
    "focal": FocalLoss,
    "focal-smoothed": FocalLoss,
}


@pytest.mark.parametrize("loss", LOSSES)
def test_the_loss_is_the_one_that_is_asked_for_and_learns(data, tmp_path, loss):
    changes = {"loss": loss, "gamma_negative": 3.0, "gamma_positive": 0.5, "seeds": (0,), "max_epochs": 12}
    targets = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0], [1.0, 1.0], [1.0, 0.0]])
    chosen = neural._loss(parameters(**changes), targets)
    assert type(chosen) is LOSSES[loss]
    assert f1(fit(data, tmp_path, **changes), data) > 0.75
    match loss:
        case "bce":
            assert chosen.pos_weight is None
        case "bce-weighted":
            assert chosen.pos_weight.tolist() == [0.5, 2.0]
        case "asl":
            assert (chosen.gamma_negative, chosen.gamma_positive, chosen.clip) == (3.0, 0.5, 0.05)
        case _:
            smoothing = 0.05 if loss == "focal-smoothed" else 0.0
            assert (chosen.alpha, chosen.gamma, chosen.smoothing) == (0.25, 2, smoothing)


def test_class_weights_are_those_of_the_training_rows(data, tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr(neural, "class_weights", lambda targets: given.append(targets) or torch.ones(5))
    fit(data, tmp_path, loss="bce-weighted", max_epochs=1, seeds=(0,))
    np.testing.assert_array_equal(given[0].numpy(), data.labels(data.rows("train")))


@pytest.mark.parametrize("loss", LOSSES)
def test_labels_without_training_or_validation_rows_stop_no_loss(full, tmp_path, loss):
    labels = full.labels()
    labels[full.rows("train"), 3] = False
    labels[full.rows("validation"), 4] = False
    fitted = fit(relabelled(full, labels), tmp_path, **fusion("dsf-crossattn", loss=loss))
    means = fitted.predictions.values[0].mean(axis=0)
    assert np.isfinite(fitted.predictions.values).all()
    assert means[3] == means.min()
    assert fitted.history["validation_f1_micro"].max() > 0.7


@pytest.mark.parametrize("kind", ["input", "manifold"])
@pytest.mark.parametrize("system", ["body-mlp", *FUSIONS])
def test_every_network_learns_under_both_mixups_and_a_schedule(full, tmp_path, system, kind):
    changes = fusion(system) if system in FUSIONS else {"seeds": (0,)}
    changes |= {"mixup": kind, "mixup_epochs": 5, "late_dropout": 0.05, "max_epochs": 12, "patience": 12}
    changes |= {"schedule": "onecycle", "gradient_clip": 1.0, "learning_rate": 0.02}
    assert f1(fit(full, tmp_path, **changes), full) > 0.75


def test_without_mixup_the_phases_of_dropout_stay(full, tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr(neural, "train_networks", lambda *arguments: given.append(arguments[5]) or 1 / 0)
    for changes in ({"mixup": "none", "mixup_epochs": 3, "late_dropout": 0.05}, {"mixup": "none", "mixup_epochs": 0}):
        with pytest.raises(ZeroDivisionError):
            fit(full, tmp_path, **changes)
    phases, plain = (options.mixup for options in given)
    assert (phases.kind, phases.epochs, phases.late_dropout) == ("none", 3, 0.05)
    assert plain is None


def test_streams_are_those_that_the_system_reads():
    assert neural.streams_of(parameters()) == ("body",)
    assert neural.streams_of(parameters(**fusion("dsf-mhsa", keys="body"))) == ("title", "body")
    assert neural.streams_of(parameters(**fusion("dsf-mhsa"))) == ("title", *CHUNKS)
    assert neural.streams_of(parameters(**fusion("sequence-dsf", keys="body_tokens"))) == ("title", *TOKENS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"keys": "body_chunks"}, "reads the body vector alone"),
        ({"label_count": True}, "reads the body vector alone"),
        ({"system": "dsf-mhsa", "hidden": (32, 16)}, "dsf-mhsa has one width, not 2"),
        ({"mixup_alpha": 0}, "mixup_alpha"),
    ],
)
def test_parameters_that_a_network_would_ignore_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        parameters(**changes)


def test_a_stream_that_is_missing_or_of_other_questions_is_named(data, tmp_path):
    with pytest.raises(ValueError, match="reads the embedding stream 'body'"):
        fit(replace(data, streams={}), tmp_path)
    with pytest.raises(ValueError, match="'body' has 7 vectors for 400 questions"):
        fit(replace(data, streams={"body": data.streams["body"][:7]}), tmp_path)


def broken(array: np.ndarray) -> np.ndarray:
    """With a missing value in its last row."""
    array = array.copy()
    array[-1].flat[0] = np.nan
    return array


@pytest.mark.parametrize(
    ("keys", "changed", "message"),
    [
        ("body", {"title": broken}, "'title' has missing or infinite values in 1 rows, the first is row 399"),
        ("body", {"title": lambda title: title[:, :4]}, "'body' has 16 numbers a vector, those of 'title' have 4"),
        ("body_chunks", {"body_chunks": lambda _: None}, "reads 'body_chunks'; given are"),
        ("body_chunks", {"body_chunks": broken}, "first is one of row 399 .*stream 'body_chunks'"),
        ("body_chunks", {"body_chunks": lambda chunks: chunks[:-1]}, "do not cut .* stream 'body_chunks'"),
        ("body_chunks", {"body_chunks_offsets": lambda offsets: offsets[:-1]}, "not those of 400 questions"),
        ("body_tokens", {"body_tokens": lambda tokens: tokens[:, :, 0]}, "do not go with .* stream 'body_tokens'"),
        ("body_tokens", {"body_tokens_mask": lambda mask: mask[:9]}, "'body_tokens_mask' has 9 vectors for 400"),
        ("body_tokens", {"body_tokens": lambda tokens: np.full_like(tokens, np.nan)}, "in the pieces of row"),
    ],
)
def test_streams_that_do_not_fit_or_have_missing_values_are_named(full, tmp_path, keys, changed, message):
    streams = dict(full.streams)
    for name, change in changed.items():
        streams[name] = change(streams[name])
    given = {name: array for name, array in streams.items() if array is not None}
    with pytest.raises(ValueError, match=message):
        fit(replace(full, streams=given), tmp_path, **fusion("dsf-crossattn", keys=keys))


def test_a_run_killed_in_its_second_seed_ends_with_the_same_predictions(data, tmp_path, monkeypatch):
    undisturbed = fit(data, tmp_path / "undisturbed")

    def report(stage: str, done: int, total: int, **_: float) -> None:
        if (stage, done) == ("training, seed 1", 3):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(progress, "report", report)
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            fit(data, tmp_path / "killed")
    resumed = fit(data, tmp_path / "killed")
    np.testing.assert_array_equal(resumed.predictions.values, undisturbed.predictions.values)
    assert resumed.history.equals(undisturbed.history)
