import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_array

from stackstudy.evaluation.single_label import measures, single_label
from stackstudy.evaluation.tables import tag_systems
from stackstudy.evaluation.thresholds import thresholds
from stackstudy.models.files import read_model
from stackstudy.models.trees import TreeTagger
from stackstudy.params import TagsXGBoost
from stackstudy.runs import progress
from stackstudy.systems import xgboost as module
from stackstudy.systems.data import TagData
from stackstudy.systems.saved import load_system
from stackstudy.systems.xgboost import xgboost
from stackstudy.tagspace.space import TagSpace


@pytest.fixture
def tagged(data) -> TagData:
    """The questions with tags: every label is the centroid of the one tag that has its name."""
    names, labels = data.space.names, data.labels()
    tags = [[name for name, true in zip(names, row, strict=True) if true] for row in labels]
    space = TagSpace(names, data.space.centroids, pl.DataFrame({"tag": names, "centroid": range(5)}), data.space.labels)
    return TagData(data.questions.with_columns(tags=pl.Series(tags)), data.streams, data.encoder, space=space)


def parameters(protocol="corrected", **changes) -> TagsXGBoost:
    fields = {"profile": "smoke", "experiment": "12-tags-xgboost", "name": "xgboost", "protocol": protocol}
    fields |= {"minimum_questions": 10, "rounds": 40, "patience": 5 if protocol == "corrected" else None}
    fields |= {"max_depth": 3, "learning_rate": 0.3, "min_child_weight": 1, "colsample_bytree": 1}
    fields |= {"colsample_bylevel": 0.5, "reg_alpha": 0, "reg_lambda": 1.5, "max_bin": 64}
    return TagsXGBoost(**fields | {"seeds": (0,), "device": "cpu", "workers": 1} | changes)


def fit(data, folder, protocol="corrected", **changes):
    return xgboost(data, parameters(protocol, **changes), folder)


def with_labels(data, labels) -> TagData:
    space = TagSpace(data.space.names, data.space.centroids, data.space.tags, csr_array(labels))
    return TagData(data.questions, data.streams, data.encoder, space=space)


def test_corrected_learns_all_labels(tagged, tmp_path):
    point = tag_systems([fit(tagged, tmp_path).predictions], tagged.questions, tagged.space.labels)["xgboost"][
        0
    ].point()
    shares = tagged.labels(tagged.rows("train")).mean(axis=0)
    everything = 2 * shares.mean() / (shares.mean() + 1)  # micro F1 of giving every label to every question
    assert point["f1_micro"] > 0.75 > 1.5 * everything
    assert point["lrap"] > 0.85


def test_published_learns_one_label_a_question(tagged, tmp_path):
    predictions = fit(tagged, tmp_path, "published").predictions
    np.testing.assert_allclose(predictions.values.sum(axis=2), 1, rtol=1e-5)
    task = single_label(tagged.questions, tagged.space, 10)
    test = task.label[task.rows(tagged.questions, "test")]
    assert measures(predictions, tagged.questions, task)["accuracy"] > 1.5 * np.bincount(test).max() / test.size


def test_published_leaves_out_labels_with_few_questions(tagged, tmp_path):
    counts = np.bincount(single_label(tagged.questions, tagged.space, 1).label[tagged.rows("train")], minlength=5)
    enough = int(np.sort(counts)[1])  # all but the rarest majority
    predictions = fit(tagged, tmp_path, "published", minimum_questions=enough, rounds=3).predictions
    assert (predictions.values.max(axis=(0, 1)) == 0).tolist() == (counts < enough).tolist()


def test_every_seed_gives_its_own_predictions_and_a_second_call_the_same(tagged, tmp_path):
    first = fit(tagged, tmp_path, seeds=(0, 1), rounds=10)
    again = fit(tagged, tmp_path, seeds=(0, 1), rounds=10)
    assert first.predictions.values.shape == (2, len(tagged.rows("validation", "test")), 5)
    assert (first.predictions.values[0] != first.predictions.values[1]).any()
    np.testing.assert_array_equal(first.predictions.values, again.predictions.values)
    assert first.history.equals(again.history)


def test_boosting_ends_when_the_validation_loss_does_not_fall(tagged, tmp_path):
    history = fit(tagged, tmp_path, rounds=400, learning_rate=1.0).history
    assert history.columns == ["seed", "round", "train_loss", "validation_loss"]
    best = int(history["validation_loss"].arg_min())
    assert len(history) == best + 1 + 5 < 400
    booster = TreeTagger.load(tmp_path / "model").boosters[0]
    assert booster.num_boosted_rounds() == best + 1
    assert len(fit(tagged, tmp_path, "published", rounds=30, learning_rate=1.0).history) == 30


@pytest.mark.parametrize("protocol", ["corrected", "published"])
def test_the_saved_model_gives_the_predictions_again(tagged, tmp_path, protocol):
    fitted = fit(tagged, tmp_path, protocol, seeds=(0, 1), rounds=5)
    predictions, saved = fitted.predictions, load_system(tmp_path / "model", "xgboost")
    rows = predictions.rows[::-1]
    for data, places in ((tagged, rows), (tagged.take(rows), np.arange(rows.size))):
        values = saved.apply(data, places)
        np.testing.assert_array_equal(np.stack([values[seed] for seed in (0, 1)]), predictions.values[:, ::-1])
    about, _ = read_model(tmp_path / "model")
    assert (about["labels"], about["streams"], about["encoder"]) == (tagged.space.names, ["body"], "toy")
    assert about["thresholds"] == thresholds(predictions, tagged.questions, tagged.space.labels)
    assert fitted.size > 100


def test_labels_without_an_example_and_those_of_every_question_have_a_constant_probability(tagged, tmp_path):
    labels = tagged.labels()
    labels[:, 3], labels[:, 4] = False, True
    labels[tagged.rows("test")[:5], 3] = True  # there are some, but not to learn from
    values = fit(with_labels(tagged, labels), tmp_path, rounds=3).predictions.values
    assert (values[..., 3] == 0).all()
    assert (values[..., 4] == 1).all()
    assert values[..., 0].std() > 0.1


def test_a_label_that_validation_lacks_is_learned_all_the_same(tagged, tmp_path):
    labels = tagged.labels()
    labels[tagged.rows("validation"), 2] = False
    predictions = fit(with_labels(tagged, labels), tmp_path).predictions
    test = tagged.rows("test")
    scores, true = predictions.at(test)[0, :, 2], tagged.labels(test)[:, 2]
    assert scores[true].mean() > 2 * scores[~true].mean()


def test_test_labels_are_not_looked_at(tagged, tmp_path):
    labels = tagged.labels()
    labels[tagged.rows("test")] = ~labels[tagged.rows("test")]
    first, second = fit(tagged, tmp_path, rounds=5), fit(with_labels(tagged, labels), tmp_path, rounds=5)
    np.testing.assert_array_equal(first.predictions.values, second.predictions.values)


def test_what_cannot_be_learned_from_is_named(tagged, tmp_path):
    body = tagged.streams["body"].copy()
    body[7, 2] = np.nan
    broken = TagData(tagged.questions, {"body": body}, "toy", space=tagged.space)
    with pytest.raises(ValueError, match=r"'body' has missing or infinite values in 1 rows, the first is row 7"):
        fit(broken, tmp_path)
    deep = TagData(tagged.questions, {"body": np.zeros((400, 2, 3))}, "toy", space=tagged.space)
    with pytest.raises(ValueError, match=r"shape \(400, 2, 3\): one vector a question"):
        fit(deep, tmp_path)
    with pytest.raises(ValueError, match="there is nothing to learn"):
        fit(with_labels(tagged, np.ones((400, 5), bool)), tmp_path)
    with pytest.raises(ValueError, match="0 labels are the majority of 500 or more training questions"):
        fit(tagged, tmp_path, "published", minimum_questions=500)


def test_metal_computes_on_the_processor_and_progress_is_reported(tagged, tmp_path, monkeypatch):
    reports = []
    monkeypatch.setattr(module, "pick_device", lambda device: {"auto": "mps"}[device])
    monkeypatch.setattr(progress, "report", lambda *step, **values: reports.append((*step, *values)))
    fit(tagged, tmp_path, rounds=3, device="auto")
    rounds = [("boosting, seed 0", done, 3, "validation_loss") for done in (1, 2, 3)]
    assert reports == [*rounds, ("boosting, seed 0", 3, 3)]
