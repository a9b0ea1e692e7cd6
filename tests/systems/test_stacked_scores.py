import numpy as np
import polars as pl
import pytest

from stackstudy.evaluation.predictions import Predictions
from stackstudy.evaluation.scores import inverse_signed_log, signed_log
from stackstudy.params import ScoresBeyond, ScoresStacked
from stackstudy.questions.schema import row_hash
from stackstudy.systems.data import Data
from stackstudy.systems.saved import load_system
from stackstudy.systems.scores import BEYOND
from stackstudy.systems.stacked_scores import SYSTEMS, convex_weights, members_of, weight_numbers

TREES = {"rounds": 30, "patience": 5, "max_depth": 3, "learning_rate": 0.2, "min_child_weight": 1, "strata": None}
TREES |= {"subsample": 0.8, "colsample_bytree": 1, "seeds": (0, 1), "profile": "smoke"}
PARAMETERS = ScoresStacked(**TREES, experiment="24-scores-stacked", max_features=300, components=5, tags=2)


@pytest.fixture
def members(asked, tmp_path) -> list[Predictions]:
    """Systems of a run that is beside the one of the stack."""
    parameters = ScoresBeyond(**TREES, experiment="23-scores-beyond")
    names = ("controls-log", "xgboost-log", "xgboost-controls-log", "quantile", "xgboost")
    return [BEYOND[name](asked, parameters, tmp_path / "23-scores-beyond").predictions for name in names]


def test_weights_are_those_of_the_mixture():
    random = np.random.default_rng(0)
    values = random.normal(size=(2000, 3))
    actual = 0.7 * values[:, 0] + 0.3 * values[:, 2] + 1.5 + 0.1 * random.normal(size=2000)
    weights, constant = convex_weights(values, actual)
    np.testing.assert_allclose(weights, [0.7, 0, 0.3], atol=0.02)
    assert constant == pytest.approx(1.5, abs=0.02)
    assert weights.sum() == pytest.approx(1)


def test_a_member_that_misleads_gets_no_weight():
    random = np.random.default_rng(1)
    good = random.normal(size=500)
    weights, _ = convex_weights(np.column_stack([good + 0.1 * random.normal(size=500), -good]), good)
    np.testing.assert_allclose(weights, [1, 0])


def test_members_know_no_more_than_the_stack_may(members):
    assert [each.system for each in members_of("stacked-log", members)] == ["xgboost-log", "quantile"]
    assert [each.system for each in members_of("stacked-controls-log", members)] == [
        "controls-log",
        "xgboost-log",
        "xgboost-controls-log",
        "quantile",
    ]
    with pytest.raises(ValueError, match="stacked-log: no system that learned the log scale"):
        members_of("stacked-log", members[:1])


def test_a_stack_is_no_worse_on_validation_than_its_members(asked, members, tmp_path):
    fitted = SYSTEMS["stacked-controls-log"](asked, PARAMETERS, tmp_path / "24-scores-stacked", members)
    rows = asked.rows("validation")
    actual = signed_log(asked.scores()[rows])
    errors = [np.mean((signed_log(each.at(rows)).mean(axis=0) - actual) ** 2) for each in members]
    assert np.mean((signed_log(fitted.predictions.at(rows))[0] - actual) ** 2) < min(errors)
    assert fitted.history["weight"].sum() == pytest.approx(1)
    used = fitted.history.filter(pl.col("weight") > 0)
    numbers = weight_numbers(fitted.history.select(pl.lit("a-stack").alias("stack"), pl.all()))
    assert numbers == {"a_stack": dict(zip(used["system"].str.replace_all("-", "_"), used["weight"], strict=True))}


def test_the_saved_stack_predicts_what_it_predicted(asked, members, tmp_path):
    folder = tmp_path / "24-scores-stacked"
    predictions = SYSTEMS["stacked-controls-log"](asked, PARAMETERS, folder, members).predictions
    system = load_system(folder / "model" / "stacked-controls-log", "stacked-controls-log")
    assert (system.kind, system.streams) == ("scores", ("body", "title"))
    np.testing.assert_allclose(system.apply(asked, predictions.rows)[0], predictions.values[0], rtol=1e-4, atol=1e-4)


def test_a_member_that_has_changed_is_refused(asked, members, tmp_path):
    folder = tmp_path / "24-scores-stacked"
    SYSTEMS["stacked-log"](asked, PARAMETERS, folder, members)
    (tmp_path / "23-scores-beyond" / "model" / "xgboost-log" / "seed-0.ubj").write_bytes(b"other")
    (tmp_path / "23-scores-beyond" / "model" / "quantile" / "seed-0.ubj").write_bytes(b"other")
    with pytest.raises(ValueError, match="has changed since stacked-log was made with it"):
        load_system(folder / "model" / "stacked-log", "stacked-log")


def test_predictions_for_other_questions_are_refused(asked, members, tmp_path):
    other = Data(asked.questions.with_columns(question_id=pl.col("question_id") + 1), asked.streams, "toy")
    assert row_hash(other.questions) != row_hash(asked.questions)
    with pytest.raises(ValueError, match="another question table"):
        SYSTEMS["stacked-log"](other, PARAMETERS, tmp_path / "24-scores-stacked", members)


def test_means_are_taken_on_the_log_scale(asked, tmp_path):
    rows = asked.rows("validation", "test")
    values = np.stack([np.full(rows.size, value) for value in (0.0, 8.0)])
    one = Predictions("a-log", "scores", row_hash(asked.questions), rows, [0, 1], values, {"experiment": "21-x"})
    model = tmp_path / "21-x" / "model" / "a-log" / "model.json"
    model.parent.mkdir(parents=True)
    model.write_text('{"streams": []}')
    predictions = SYSTEMS["stacked-log"](asked, PARAMETERS, tmp_path / "24-scores-stacked", [one]).predictions
    actual = signed_log(asked.scores()[asked.rows("validation")]).mean()
    np.testing.assert_allclose(predictions.values, inverse_signed_log(actual), rtol=1e-5)
