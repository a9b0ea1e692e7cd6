import numpy as np
import polars as pl
import pytest

from stackstudy.evaluation.intervals import coverage_by_prediction
from stackstudy.figures.score_intervals import interval_coverage


def test_each_bin_is_a_dot_and_the_promise_is_drawn():
    predicted = np.arange(200.0)
    bins = coverage_by_prediction(predicted, predicted, predicted - 1, predicted + 1)
    (ax,) = interval_coverage(bins, 0.9).axes
    promised, dots = ax.lines
    assert list(promised.get_ydata()) == [90, 90]
    assert list(dots.get_ydata()) == [100] * 10
    assert ax.get_xticklabels()[0].get_text() == "0 to\n19"


def test_no_bins_are_an_error():
    with pytest.raises(ValueError, match="interval coverage"):
        interval_coverage(pl.DataFrame(), 0.9)
