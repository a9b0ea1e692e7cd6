"""What was gained in speed: one bar for each comparison of the benchmarks."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from matplotlib.figure import Figure

from stackstudy.figures.drawing import label_axes, name_rows, plain, plain_log, write_right
from stackstudy.figures.style import BLUE, FULL, PALE, VERMILION, canvas, styled

GOAL = re.compile(r"^(\d+)x")


@styled
def ratios(results: Iterable[Mapping[str, Any]]) -> Figure:
    """How many times as fast as the usual way (`workload`, `ratio`), beside the `target` where that is a ratio.

    Claims without a usual way have no ratio and are left out; a bar is pale where its claim is not `met`.
    """
    rows = [result for result in results if result["ratio"] is not None]
    figure, ax = canvas(FULL, 0.8 + 0.24 * len(rows))
    name_rows(ax, [row["workload"] for row in rows], 60)
    colours = [BLUE if row["met"] else PALE for row in rows]
    ax.barh(range(len(rows)), [row["ratio"] for row in rows], height=0.6, color=colours)
    for place, row in enumerate(rows):
        if goal := GOAL.match(row["target"]):
            ax.plot(int(goal[1]), place, marker="|", ms=11, mew=1.6, color=VERMILION)
    ax.axvline(1, lw=0.7, color=PALE, zorder=0)
    shown = [row["ratio"] for row in rows]
    ax.set_xlim(0.8 * min(1, *shown), 1.3 * max(1, *shown))
    plain_log(ax.xaxis)
    label_axes(ax, "times as fast as the usual way", "workload")
    write_right(ax, "ratio", range(len(rows)), [three_digits(row["ratio"]) for row in rows])
    return figure


def three_digits(value: float) -> str:
    """Return a ratio or a size as a reader takes it in: 0.608, 6.62, 1,200."""
    return plain(round(value) if value >= 100 else value)
