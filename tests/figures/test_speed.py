"""The figure of the benchmarks: a bar a comparison, what was not met pale."""

import pytest
from matplotlib.colors import to_rgba

from stackstudy.figures.speed import ratios
from stackstudy.figures.style import BLUE, PALE


def result(workload, ratio, target="7x, .75 of the matrix rate", met=True):
    return {"workload": workload, "ratio": ratio, "target": target, "met": met}


def test_each_comparison_has_a_bar_and_each_ratio_that_is_asked_for_a_mark(check_figure):
    rows = [
        result("training", 6.3, met=False),
        result("memory", None),
        result("trees", 120.0, "50x"),
        result("file", 0.6, "half"),
    ]
    figure = ratios(rows)
    check_figure(figure)
    (ax,) = figure.axes
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([6.3, 120.0, 0.6])
    assert [bar.get_facecolor() for bar in ax.patches] == [to_rgba(PALE), to_rgba(BLUE), to_rgba(BLUE)]
    assert [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "|"] == [7, 50]
