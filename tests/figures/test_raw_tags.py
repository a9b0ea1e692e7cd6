import numpy as np
import polars as pl
import pytest

from stackstudy.evaluation.raw_tags import NAMES
from stackstudy.figures import raw_tags

SUMMARY = pl.DataFrame([{"system": name} | dict.fromkeys(NAMES, value) for name, value in (("a", 0.5), ("b", 0.2))])
COVERED = pl.DataFrame({"minimum_count": [1, 5], "uses": [0.9, 0.6], "complete": [0.8, 0.3], "without": [0.0, 0.1]})


def test_each_system_is_a_line_in_each_panel():
    figure = raw_tags.at_k(SUMMARY)
    assert [ax.get_title("left") for ax in figure.axes] == list(raw_tags.PANELS.values())
    for ax in figure.axes:
        drawn = [line.get_ydata() for line in ax.lines if len(line.get_xdata()) == 5]
        np.testing.assert_array_equal(drawn, [[0.5] * 5, [0.2] * 5])


def test_the_cut_is_marked():
    (ax,) = raw_tags.coverage(COVERED, 5).axes
    assert any(np.array_equal(line.get_xdata(), [5, 5]) for line in ax.lines)
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "5"]


def test_what_is_missing_is_named():
    with pytest.raises(ValueError, match="raw tags by k: column f1_at_5 is missing"):
        raw_tags.at_k(SUMMARY.drop("f1_at_5"))
    with pytest.raises(ValueError, match="coverage of raw tags: nothing to draw"):
        raw_tags.coverage(COVERED.clear(), 5)
