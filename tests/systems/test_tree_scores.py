import numpy as np
import polars as pl
import pytest

from stackstudy.evaluation.extras import load_extras
from stackstudy.evaluation.scores import row_sums, signed_log
from stackstudy.models.boosting import Trees
from stackstudy.params import ScoresBeyond, ScoresTraditional
from stackstudy.systems import tree_features
from stackstudy.systems.data import Data
from stackstudy.systems.scores import BEYOND, TRADITIONAL

TREES = {"rounds": 100, "patience": 10, "max_depth": 3, "learning_rate": 0.1, "min_child_weight": 1}
TREES |= {"subsample": 0.8, "colsample_bytree": 1, "seeds": (0, 1), "strata": None, "profile": "smoke"}


def fit(system, data, folder):
    parameters = ScoresBeyond(**TREES, experiment="23-scores-beyond")
    return BEYOND[system](data, parameters, folder)


def quality(predictions, data) -> dict[str, float]:
    test = data.rows("test")
    return row_sums(data.scores()[test], predictions.at(test)[0]).point()


@pytest.fixture
def by_age(asked) -> Data:
    """Scores that nothing but age and stratum tell."""
    age = tree_features.control_features(asked)[0]["age"].fill_null(0).to_numpy()
    scores = np.rint(20 * age).astype(int) + 5 * (asked.questions["stratum"] == "old").to_numpy()
    return Data(asked.questions.with_columns(score=pl.Series(scores)), asked.streams, "toy")


def test_boosting_finds_what_words_tell(asked, tmp_path):
    parameters = ScoresTraditional(**TREES, experiment="x", max_features=500, components=20, alphas=(1.0,))
    fitted = TRADITIONAL["boosting"](asked, parameters, tmp_path)
    assert quality(fitted.predictions, asked)["r2"] > 0.7
    frame, features = tree_features.word_features(asked, parameters)
    again = Trees.load(tmp_path / "model" / "boosting").predict(frame[fitted.predictions.rows])
    np.testing.assert_array_equal(np.stack([*again.values()]), fitted.predictions.values)
    assert {"words 1", "words 20", "code_share", "hour", "age"} <= set(frame.columns)
    assert features.words.weights.shape[0] == 20


def test_text_and_controls_are_read_apart(asked, by_age, tmp_path):
    r2 = {
        (system, name): quality(fit(system, data, tmp_path).predictions, data)["r2"]
        for system in ("controls", "xgboost", "xgboost-controls")
        for name, data in (("text", asked), ("age", by_age))
    }
    assert min(r2["xgboost", "text"], r2["xgboost-controls", "text"]) > 0.7 > 0.1 > r2["controls", "text"]
    assert min(r2["controls", "age"], r2["xgboost-controls", "age"]) > 0.9 > 0.1 > r2["xgboost", "age"]


@pytest.mark.parametrize("system", ["xgboost", "xgboost-log", "quantile", "two-part", "ordinal"])
def test_systems_on_text_see_neither_age_nor_stratum(system, asked, tmp_path):
    unknown = asked.questions.with_columns(created=pl.lit(None, pl.Datetime("us")), stratum=pl.lit(None, pl.String))
    first = fit(system, asked, tmp_path).predictions
    second = fit(system, Data(unknown, asked.streams, "toy"), tmp_path).predictions
    np.testing.assert_array_equal(first.values, second.values)


def test_a_log_target_is_better_on_its_own_scale(asked, tmp_path):
    scores = np.rint(np.exp(np.maximum(asked.scores(), 0) / 3)).astype(int)
    data = Data(asked.questions.with_columns(score=pl.Series(scores)), asked.streams, "toy")
    raw, log = (
        quality(fit(system, data, tmp_path).predictions, data)["r2_log"] for system in ("xgboost", "xgboost-log")
    )
    assert log > raw
    assert log > 0.7


def test_training_questions_are_seen_as_if_left_out(asked):
    (frame, _), target = tree_features.vector_features(asked), signed_log(asked.scores())
    errors = {
        split: frame["vectors log"].gather(asked.rows(split)) - target[asked.rows(split)] for split in ("train", "test")
    }
    assert np.sqrt((errors["train"] ** 2).mean()) == pytest.approx(np.sqrt((errors["test"] ** 2).mean()), rel=0.25)


def test_history_says_each_round_of_each_seed(asked, tmp_path):
    history = fit("xgboost", asked, tmp_path).history
    assert history.columns == ["seed", "round", "train_loss", "validation_loss"]
    assert history["seed"].unique().sort().to_list() == [0, 1]


def test_extras_are_read_back_by_row(asked, tmp_path):
    predictions = fit("quantile", asked, tmp_path).predictions
    rows = asked.rows("test")
    extras = load_extras(tmp_path, "quantile", rows)
    assert {name: array.shape for name, array in extras.items()} == dict.fromkeys(("low", "high"), (2, rows.size))
    assert (extras["low"] <= np.ceil(predictions.at(rows))).all()
