"""Systems side by side: one metric with its interval, drawn alike for tags and scores."""

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from stackstudy.figures.data import numbers, table
from stackstudy.figures.drawing import label_axes, name_rows, write_right
from stackstudy.figures.style import BLUE, FULL, canvas


def dots_and_intervals(summary: pl.DataFrame, metric: str, label: str, form: str, descending: bool) -> Figure:
    """Draw one row a system, sorted by `metric`: a dot, a line over its 95 % interval, and the value written by `form`.

    `summary` has the columns system, `metric`, `metric`_low and `metric`_high, as `evaluation.tables.summary` returns.
    A metric may be undefined (null) for a system; its row says so, and comes last.
    """
    columns = (metric, f"{metric}_low", f"{metric}_high")
    rows = table(summary, ("system", *columns), "systems summary", may_miss=columns)
    rows = rows.sort([metric, "system"], descending=[descending, False], nulls_last=True)
    value, low, high = (rows[name].cast(pl.Float64).to_numpy() for name in columns)
    numbers(value[~np.isnan(value)], f"systems summary, {metric} that is defined")
    figure, ax = canvas(FULL, 0.8 + 0.2 * len(rows))
    at = np.arange(len(rows))
    ax.hlines(at, low, high, color=BLUE, lw=1.6)
    ax.plot(value, at, "o", color=BLUE, ms=4.5)
    name_rows(ax, rows["system"].to_list())
    label_axes(ax, f"{label}, with 95 % interval", "system")
    ax.margins(x=0.08)
    texts = ["undefined" if np.isnan(v) else form.format(v).replace("-", "−") for v in value]
    write_right(ax, "value", at, texts)
    return figure
