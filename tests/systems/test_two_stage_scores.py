import numpy as np
import polars as pl
import pytest

from stackstudy.evaluation.scores import row_sums, signed_log
from stackstudy.params import ScoresStacked
from stackstudy.systems.data import Data
from stackstudy.systems.two_stage_scores import COLUMNS, SYSTEMS, Everything, load

FIELDS = {"rounds": 60, "patience": 10, "max_depth": 3, "learning_rate": 0.1, "min_child_weight": 1, "strata": None}
FIELDS |= {"subsample": 0.8, "colsample_bytree": 1, "max_features": 300, "components": 5, "tags": 2, "seeds": (0, 4)}
PARAMETERS = ScoresStacked(**FIELDS, profile="smoke", experiment="24-scores-stacked")


def r2_log(predictions, data) -> float:
    test = data.rows("test")
    return row_sums(data.scores()[test], predictions.at(test)[0]).point()["r2_log"]


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_saved_system_predicts_what_it_predicted(system, asked, tmp_path):
    predictions = SYSTEMS[system](asked, PARAMETERS, tmp_path).predictions
    assert predictions.system == system
    assert r2_log(predictions, asked) > 0.6
    found = load(tmp_path / "model" / system)(asked, predictions.rows)
    np.testing.assert_allclose(np.stack([*found.values()]), predictions.values, rtol=1e-4, atol=1e-3)


def test_text_alone_sees_neither_age_nor_stratum(asked, tmp_path):
    unknown = asked.questions.with_columns(created=pl.lit(None, pl.Datetime("us")), stratum=pl.lit(None, pl.String))
    found = [
        SYSTEMS["two-stage-log"](data, PARAMETERS, tmp_path).predictions.values
        for data in (asked, Data(unknown, asked.streams, "toy"))
    ]
    np.testing.assert_array_equal(*found)


def test_a_training_question_does_not_see_its_own_score(asked):
    """Its output when left out is worse than that of the map that was fitted to it, and about as good as on test."""
    outputs, everything = Everything.fitted(asked, PARAMETERS)
    train, test = asked.rows("train"), asked.rows("test")
    actual = signed_log(asked.scores())
    errors = {
        "left out": outputs["everything log"].to_numpy()[train] - actual[train],
        "fitted": everything(asked, train)["everything log"].to_numpy() - actual[train],
        "test": outputs["everything log"].to_numpy()[test] - actual[test],
    }
    size = {name: np.mean(error**2) for name, error in errors.items()}
    assert size["fitted"] < size["left out"]
    assert size["left out"] == pytest.approx(size["test"], rel=0.4)


def test_tags_count_where_they_are_frequent(asked):
    _, everything = Everything.fitted(asked, PARAMETERS)
    assert everything.tags in {("c", "a"), ("a", "b"), ("a", "c")}
    other = Data(asked.questions.with_columns(tags=pl.Series([["unheard-of"]] * 400)), asked.streams, "toy")
    shown = everything(other, np.arange(3))
    assert shown.columns == list(COLUMNS)
    assert not shown.equals(everything(asked, np.arange(3)))
