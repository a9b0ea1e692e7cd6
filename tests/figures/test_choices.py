import numpy as np
import polars as pl
import pytest

from stackstudy.figures.choices import boosting_curve, f1_by_setting

CURVE = pl.DataFrame(
    {
        "seed": [0, 0, 0, 1, 1],
        "round": [1, 2, 3, 1, 2],
        "train_loss": [0.5, 0.4, 0.3, 0.6, 0.5],
        "validation_loss": [0.6, 0.5, 0.55, 0.7, 0.65],
    }
)
TRIED = pl.DataFrame(
    {
        "system": ["majority", "k-nearest", "k-nearest", "linear-probe"],
        "setting": [None, 20.0, 5.0, 0.1],
        "validation_f1_micro": [0.2, 0.5, 0.6, 0.7],
    }
)
SETTINGS = {"k-nearest": "neighbours", "linear-probe": "C"}


def test_the_round_with_the_lowest_validation_loss_of_each_seed_is_marked():
    (ax,) = boosting_curve(CURVE).axes
    marks = next(line for line in ax.lines if line.get_marker() == "D")
    np.testing.assert_array_equal(marks.get_xydata(), [[2, 0.5], [2, 0.65]])
    assert ax.get_xlabel() == "boosting round"


def test_every_setting_is_drawn_and_the_best_marked():
    left, right = f1_by_setting(TRIED, SETTINGS).axes
    line, mark = left.lines
    np.testing.assert_array_equal(line.get_xydata(), [[5, 0.6], [20, 0.5]])
    np.testing.assert_array_equal(mark.get_xydata(), [[5, 0.6]])
    assert (left.get_title("left"), left.get_xlabel(), left.get_ylabel()) == (
        "k-nearest",
        "neighbours (log scale)",
        "validation F1 (micro)",
    )
    assert [tick.get_text() for tick in right.get_xticklabels()] == ["0.1"]


def test_broken_input_is_named():
    with pytest.raises(ValueError, match="boosting curve: column round is missing"):
        boosting_curve(CURVE.drop("round"))
    with pytest.raises(ValueError, match="F1 by setting: nothing to draw"):
        f1_by_setting(TRIED.head(1), SETTINGS)
