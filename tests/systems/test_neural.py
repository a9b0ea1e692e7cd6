import numpy as np
import pytest
import torch

from stackstudy.evaluation.tables import tag_systems, thresholds
from stackstudy.evaluation.tags import choose_threshold, micro_f1_at
from stackstudy.models import training
from stackstudy.models.saving import load_model
from stackstudy.params import TagsNeural
from stackstudy.systems.data import TagData
from stackstudy.systems.tags import TAG_SYSTEMS


def parameters(**changes) -> TagsNeural:
    fields = {"profile": "smoke", "experiment": "13-tags-neural", "system": "body-mlp", "protocol": "corrected"}
    fields |= {"hidden": (32,), "dropout": 0.1, "learning_rate": 0.01, "weight_decay": 0.01, "batch_size": 64}
    fields |= {"max_epochs": 8, "patience": 8, "seeds": (0, 1), "device": "cpu"}
    return TagsNeural(**fields | changes)


def fit(data, folder, **changes):
    chosen = parameters(**changes)
    return TAG_SYSTEMS[chosen.system](data, chosen, folder)


def test_every_system_that_parameters_allow_is_registered():
    assert set(TagsNeural.model_fields["system"].annotation.__args__) <= set(TAG_SYSTEMS)


def test_body_mlp_learns(data, tmp_path):
    fitted = fit(data, tmp_path)
    point = tag_systems([fitted.predictions], data.questions, data.space.labels)["body-mlp"][0].point()
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


def test_training_rows_do_not_see_test_labels(data, tmp_path):
    """With other labels in the test rows, a corrected run predicts the same."""
    labels = data.space.labels.toarray()
    labels[data.rows("test")] = ~labels[data.rows("test")]
    space = type(data.space)(data.space.names, data.space.centroids, data.space.tags, type(data.space.labels)(labels))
    other = TagData(data.questions, data.streams, data.encoder, space=space)
    first, second = fit(data, tmp_path / "a", seeds=(0,)), fit(other, tmp_path / "b", seeds=(0,))
    np.testing.assert_array_equal(first.predictions.values, second.predictions.values)


def test_a_stream_that_is_missing_or_of_other_questions_is_named(data, tmp_path):
    without = TagData(data.questions, {}, "toy", space=data.space)
    with pytest.raises(ValueError, match="reads the embedding stream 'body'"):
        fit(without, tmp_path)
    short = TagData(data.questions, {"body": data.streams["body"][:7]}, "toy", space=data.space)
    with pytest.raises(ValueError, match="'body' has 7 vectors for 400 questions"):
        fit(short, tmp_path)


def test_a_run_killed_in_its_second_seed_ends_with_the_same_predictions(data, tmp_path, monkeypatch):
    undisturbed = fit(data, tmp_path / "undisturbed")

    def report(stage: str, done: int, total: int, **_: float) -> None:
        if (stage, done) == ("training, seed 1", 3):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training.progress, "report", report)
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            fit(data, tmp_path / "killed")
    resumed = fit(data, tmp_path / "killed")
    np.testing.assert_array_equal(resumed.predictions.values, undisturbed.predictions.values)
    assert resumed.history.equals(undisturbed.history)
