import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from stackstudy.evaluation.extras import load_extras
from stackstudy.evaluation.interval_study import coverage
from stackstudy.evaluation.score_classes import class_numbers, score_classes
from stackstudy.params import ScoresBeyond
from stackstudy.systems.data import Data
from stackstudy.systems.scores import BEYOND


def fit(system, data, folder):
    fields = {"rounds": 150, "patience": 15, "max_depth": 3, "learning_rate": 0.1, "min_child_weight": 1}
    fields |= {"subsample": 0.8, "colsample_bytree": 1, "seeds": (0, 1), "strata": None}
    return BEYOND[system](data, ScoresBeyond(**fields, profile="smoke", experiment="23-scores-beyond"), folder)


def scored(data: Data, scores) -> Data:
    return Data(data.questions.with_columns(score=pl.Series(scores.astype(np.int32))), data.streams, "toy")


def test_intervals_hold_about_what_they_promise_and_are_not_all_alike(asked, tmp_path):
    noise = np.random.default_rng(3).normal(size=400)
    data = scored(asked, np.rint(asked.scores() + 0.8 * np.abs(asked.scores()) * noise))
    fit("quantile", data, tmp_path)
    rows = data.rows("test")
    extras = load_extras(tmp_path, "quantile", rows)
    low, high = extras["low"][0], extras["high"][0]
    assert 0.75 < coverage(data.scores()[rows], low, high)["coverage"] < 0.99
    assert (low <= high).all()
    assert np.array_equal(low, np.rint(low))
    assert np.std(high - low) > 1


def test_two_parts_tell_whether_and_how_much(asked, tmp_path):
    scores = np.where(asked.scores() > 5, asked.scores(), 0)
    data = scored(asked, scores)
    fitted = fit("two-part", data, tmp_path)
    rows = data.rows("test")
    extras, actual = load_extras(tmp_path, "two-part", rows), scores[rows]
    assert roc_auc_score(actual != 0, extras["voted"][0]) > 0.9
    assert np.corrcoef(extras["amount"][0][actual != 0], actual[actual != 0])[0, 1] > 0.5
    np.testing.assert_allclose(fitted.predictions.at(rows), extras["voted"] * extras["amount"], rtol=1e-5)
    assert fitted.history["part"].unique().sort().to_list() == ["amount", "voted"]


def test_two_parts_predict_a_mean_where_the_tail_is_heavy(asked, tmp_path):
    """A model of the log brought back without smearing would be far too low."""
    tail = np.exp(np.random.default_rng(4).normal(1, 1.5, 400))
    data = scored(asked, np.rint(tail + 1))
    rows = data.rows("validation", "test")
    predicted = fit("two-part", data, tmp_path).predictions.values.mean()
    assert predicted == pytest.approx(data.scores()[rows].mean(), rel=0.3)
    assert predicted > 1.5 * np.median(data.scores())


def test_ordinal_classes_beat_the_majority_on_macro_f1(asked, tmp_path):
    fit("ordinal", asked, tmp_path)
    rows = asked.rows("test")
    extras, actual = load_extras(tmp_path, "ordinal", rows), score_classes(asked.scores()[rows])
    majority = np.full(actual.size, np.bincount(actual).argmax())
    reached, floor = (class_numbers(actual, each)["f1_macro"] for each in (extras["classes"][0], majority))
    assert reached > floor + 0.2
    np.testing.assert_allclose(extras["probabilities"].sum(axis=2), 1, atol=1e-9)
    assert (extras["probabilities"] >= 0).all()


def test_a_class_that_training_never_shows_is_never_chosen(asked, tmp_path):
    data = scored(asked, np.where(asked.scores() == 0, 1, asked.scores()))
    fit("ordinal", data, tmp_path)
    assert 1 not in load_extras(tmp_path, "ordinal", data.rows("test"))["classes"]
