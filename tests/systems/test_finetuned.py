"""The fine-tuned encoder as a tag system, on random encoders of two layers."""

import json
from dataclasses import replace
from pathlib import Path
from string import ascii_lowercase

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.numpy import load_file
from scipy.sparse import csr_array
from tiny_encoder import build_model

from stackstudy.evaluation.tables import tag_systems
from stackstudy.evaluation.tags import micro_f1_at
from stackstudy.evaluation.thresholds import thresholds
from stackstudy.params import TagsFinetuned
from stackstudy.runs import progress
from stackstudy.systems import finetuned as system
from stackstudy.systems.data import TagData
from stackstudy.systems.saved import load_system

WORDS = ["python", "java", "sql", "css", "git", "how", "can", "we", "make", "this", "work", "when", "that", "fails"]
WORDS += [
    "again",
    "today",
    *ascii_lowercase,
    *(f"##{letter}" for letter in ascii_lowercase),
]  # titles end within a word


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> str:
    return str(build_model(tmp_path_factory.mktemp("tiny"), words=WORDS))


def parameters(encoder: str, **changes) -> TagsFinetuned:
    fields = {"profile": "smoke", "experiment": "18-tags-finetuned", "name": "finetuned", "encoder": encoder}
    fields |= {"max_length": 24, "frozen_layers": 0, "lora_rank": None, "gradient_checkpointing": False}
    fields |= {"dropout": 0.1, "learning_rate": 0.01, "layer_decay": 0.9, "head_learning_rate": 0.1}
    fields |= {"weight_decay": 0.01, "gradient_clip": 1.0, "batch_size": 32, "max_epochs": 2, "patience": 2}
    return TagsFinetuned(**fields | {"seeds": (0,), "device": "cpu", "devices": 1} | changes)


def fit(data: TagData, folder: Path, encoder: str, **changes):
    return system.finetuned(data, parameters(encoder, **changes), folder)


def f1(fitted, data: TagData) -> float:
    return tag_systems([fitted.predictions], data.questions, data.space.labels)["finetuned"][0].point()["f1_micro"]


@pytest.mark.parametrize(
    "changes", [{}, {"lora_rank": 4, "learning_rate": 0.02}, {"frozen_layers": 1, "learning_rate": 0.02}], ids=str
)
def test_it_learns(data, tmp_path, encoder, changes, float32):
    fitted = fit(data, tmp_path, encoder, max_epochs=12, patience=12, batch_size=8, **changes)
    everything = micro_f1_at(np.ones_like(data.labels(), dtype=float), data.labels(), np.array([0.5]))[0]
    assert f1(fitted, data) > 0.78 > 1.5 * everything


def test_it_learns_more_than_the_layer_on_top_could(data, tmp_path, encoder):
    """A label is on a question that has two words or neither: no sum over words can tell."""
    labels = data.labels()
    both = data.questions["body"].str.contains("python") == data.questions["body"].str.contains("git")
    labels[:, 0] = both.to_numpy()
    told = replace(data, space=replace(data.space, labels=csr_array(labels[:, :1]), names=["both"]))
    still, moving = (
        fit(told, tmp_path / str(rate), encoder, learning_rate=rate, max_epochs=15, patience=15, batch_size=16)
        for rate in (1e-9, 1e-2)
    )
    assert f1(moving, told) > 0.85 > f1(still, told)
    assert moving.history["train_loss"].min() < 0.1 < 0.4 < still.history["train_loss"].min()


def test_it_predicts_validation_and_test_rows_for_each_seed(data, tmp_path, encoder):
    fitted = fit(data, tmp_path, encoder, seeds=(3, 5))
    predictions = fitted.predictions
    assert predictions.values.shape == (2, len(data.rows("validation", "test")), 5)
    assert predictions.seeds.tolist() == [3, 5]
    assert (predictions.values[0] != predictions.values[1]).any()
    assert fitted.history.columns[:5] == ["seed", "epoch", "train_loss", "validation_loss", "validation_f1_micro"]
    assert fitted.history["seed"].to_list() == [3, 3, 5, 5]


def test_the_best_epoch_is_that_of_the_predictions(data, tmp_path, encoder):
    fitted = fit(data, tmp_path, encoder, max_epochs=4, patience=4)
    rows = data.rows("validation")
    (threshold,) = thresholds(fitted.predictions, data.questions, data.space.labels)
    reached = micro_f1_at(fitted.predictions.at(rows)[0], data.labels(rows), np.array([threshold]))[0]
    assert reached == pytest.approx(fitted.history["validation_f1_micro"].max(), abs=1e-6)


class Killed(BaseException):
    """Stands for the end of a process: nothing in the program catches it."""


@pytest.mark.parametrize("lora_rank", [None, 2])
def test_a_killed_and_resumed_run_ends_with_the_same_bytes(data, tmp_path, encoder, monkeypatch, lora_rank):
    def report(stage: str, done: int, total: int, **_: float) -> None:
        if stage == "training, seed 1" and done == 1:
            raise Killed

    changes = {"seeds": (0, 1), "lora_rank": lora_rank}
    undisturbed = fit(data, tmp_path / "undisturbed", encoder, **changes)
    with monkeypatch.context() as patch:
        patch.setattr(progress, "report", report)
        with pytest.raises(Killed):
            fit(data, tmp_path / "killed", encoder, **changes)
    torch.rand(7)  # whatever drew random numbers in between
    resumed = fit(data, tmp_path / "killed", encoder, **changes)
    assert resumed.predictions.values.tobytes() == undisturbed.predictions.values.tobytes()
    assert resumed.history.equals(undisturbed.history)
    for name in ("model.json", "model.safetensors"):
        saved = [(tmp_path / run / "model" / name).read_bytes() for run in ("killed", "undisturbed")]
        assert saved[0] == saved[1]


@pytest.mark.parametrize(
    "changes", [{}, {"lora_rank": 2}, {"frozen_layers": 1, "gradient_checkpointing": True}], ids=str
)
def test_the_saved_system_gives_its_predictions_again(data, tmp_path, encoder, changes):
    fitted = fit(data, tmp_path, encoder, seeds=(3, 5), **changes)
    saved = load_system(tmp_path / "model", "finetuned")
    assert (saved.kind, saved.labels, saved.streams, saved.encoder) == ("tags", tuple(data.space.names), (), encoder)
    assert list(saved.thresholds) == thresholds(fitted.predictions, data.questions, data.space.labels)
    again = saved.apply(data, fitted.predictions.rows)
    for seed, values in zip((3, 5), fitted.predictions.values, strict=True):
        np.testing.assert_allclose(again[seed], values, atol=1e-6)


def test_only_what_was_learned_is_saved(data, tmp_path, encoder):
    fitted = fit(data, tmp_path, encoder, seeds=(3, 5), lora_rank=2)
    arrays = load_file(tmp_path / "model" / "model.safetensors")
    assert {name.split("/")[0] for name in arrays} == {"3", "5"}
    assert sum(array.size for array in arrays.values()) == 2 * fitted.size
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["model.json", "model.safetensors"]


def test_questions_without_a_body_and_one_alone_are_predicted_too(data, tmp_path, encoder):
    fit(data, tmp_path, encoder, max_epochs=6, patience=6)
    asked = pl.DataFrame({"title": ["java fails", "git", ""], "body": ["", "java java", ""]})
    apply = load_system(tmp_path / "model", "finetuned").apply
    together = apply(TagData(asked, space=data.space), np.arange(3))[0]
    assert together[0, 1] > together[2, 1]
    for row in range(3):
        alone = apply(TagData(asked[[row]], space=data.space), np.arange(1))[0]
        np.testing.assert_allclose(alone[0], together[row], atol=1e-5)


def test_another_encoder_under_the_same_name_is_refused(data, tmp_path, encoder):
    fit(data, tmp_path, encoder, max_epochs=1)
    path = tmp_path / "model" / "model.json"
    path.write_text(path.read_text().replace(json.loads(path.read_text())["weight_hash"], "0" * 64))
    with pytest.raises(ValueError, match=r"with the sha256 0000.*run the experiment again"):
        load_system(tmp_path / "model", "finetuned")


def test_labels_that_no_training_question_has_stay_improbable(data, tmp_path, encoder):
    labels = data.labels()
    labels[data.rows("train"), 3] = False
    fitted = fit(replace(data, space=replace(data.space, labels=csr_array(labels))), tmp_path, encoder)
    assert np.isfinite(fitted.predictions.values).all()
    assert fitted.predictions.values[0][:, 3].max() < 1e-3


def test_training_rows_do_not_see_test_labels(data, tmp_path, encoder):
    labels = data.labels()
    labels[data.rows("test")] = ~labels[data.rows("test")]
    other = replace(data, space=replace(data.space, labels=csr_array(labels)))
    first, second = (fit(each, tmp_path / str(n), encoder) for n, each in enumerate((data, other)))
    np.testing.assert_array_equal(first.predictions.values, second.predictions.values)


def test_tokens_are_counted(data, encoder):
    sequences = system.sequences_of(data, encoder, 24, "cpu")
    assert system.sequences_of(data, encoder, 24, "cpu") is sequences
    numbers = system.token_numbers(sequences, 24)
    assert numbers["tokens"] == sequences.lengths.double().mean()
    assert 0 < numbers["full"] == (sequences.lengths == 24).double().mean() < 1
