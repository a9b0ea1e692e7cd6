"""Whether prediction intervals hold, by what is predicted."""

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from stackstudy.figures.data import table
from stackstudy.figures.drawing import label_axes, plain
from stackstudy.figures.style import BLUE, FULL, INK, MUTED, canvas, styled


@styled
def interval_coverage(bins: pl.DataFrame, nominal: float) -> Figure:
    """Coverage of prediction intervals by predicted score, as `evaluation.intervals.coverage_by_prediction` returns."""
    columns = ("questions", "predicted_low", "predicted_high", "coverage", "coverage_low", "coverage_high")
    rows = table(bins, columns, "interval coverage")
    figure, ax = canvas(FULL, 2.6)
    at = np.arange(len(rows))
    ax.axhline(100 * nominal, color=INK, ls="--", lw=0.8)
    ax.vlines(at, 100 * rows["coverage_low"], 100 * rows["coverage_high"], color=BLUE, lw=1.6)
    ax.plot(at, 100 * rows["coverage"], "o", color=BLUE, ms=4.5)
    ax.set_xticks(at, [_range(*ends) for ends in rows.select("predicted_low", "predicted_high").iter_rows()])
    ax.set_xlim(-0.6, len(rows) - 0.4)
    for place, count in zip(at, rows["questions"], strict=True):
        ax.text(place, 1.01, f"{count:,}", transform=ax.get_xaxis_transform(), ha="center", va="bottom")
    ax.set_title("questions in bin", loc="left", pad=14, color=MUTED)
    ax.set_title(f"dashed: the {100 * nominal:.0f} % promised", loc="right", pad=14, color=MUTED)
    label_axes(ax, "predicted median score (bins of about equal size)", "scores inside the interval (%)")
    return figure


def _range(low: float, high: float) -> str:
    first, last = (plain(round(end, 1 if abs(end) < 10 else 0)) for end in (low, high))
    return first if first == last else f"{first} to\n{last}"
