"""Systems side by side: one metric with its interval, drawn alike for tags and scores."""

from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stackstudy.evaluation.tables import PUBLISHED
from stackstudy.figures.data import numbers, table
from stackstudy.figures.drawing import label_axes, name_rows, write_right
from stackstudy.figures.style import BLUE, FULL, ORANGE, canvas

APART = 0.2  # of a row: how far the two protocols of a system stand from its middle
CORRECTED = {"marker": "o", "mfc": BLUE, "mec": BLUE, "ms": 4.5, "label": "corrected"}
AS_PUBLISHED = {"marker": "s", "mfc": "white", "mec": ORANGE, "ms": 4.5, "mew": 1, "label": "as published"}


def dots_and_intervals(
    summary: pl.DataFrame, metric: str, label: str, form: str, descending: bool, edge: float = -np.inf
) -> Figure:
    """Draw one row a system, sorted by `metric`: a dot, a line over its 95 % interval, and the value written by `form`.

    `summary` has the columns system, `metric`, `metric`_low and `metric`_high, as `evaluation.tables.summary` returns.
    A system that also runs as published shares its row with that one; the corrected value decides on the order.
    A metric may be undefined (null) for a system; its row says so, and comes last. Values below `edge` are drawn as an
    arrow at the left, so that they do not crowd the others.
    """
    columns = (metric, f"{metric}_low", f"{metric}_high")
    rows = table(summary, ("system", *columns), "systems summary", may_miss=columns)
    rows = rows.sort([metric, "system"], descending=[descending, False], nulls_last=True)
    numbers(rows[metric].drop_nulls().cast(pl.Float64), f"systems summary, {metric} that is defined")
    both = [name for name in rows["system"] if f"{name}{PUBLISHED}" in rows["system"]]
    published = rows.filter(pl.col("system").str.strip_suffix(PUBLISHED).is_in(both) & ~pl.col("system").is_in(both))
    own = rows.join(published, on="system", how="anti", maintain_order="left")
    names = own["system"].to_list()
    figure, ax = canvas(FULL, 0.8 + (0.27 if both else 0.2) * len(names))
    at = np.arange(len(names))
    _draw(ax, own, at - APART * np.isin(names, both), edge, CORRECTED)
    write_right(ax, "corrected" if both else "value", at, _texts(own[metric], form))
    if both:
        beside = np.array([names.index(name.removesuffix(PUBLISHED)) for name in published["system"]])
        _draw(ax, published, beside + APART, edge, AS_PUBLISHED)
        write_right(ax, "published", beside, _texts(published[metric], form), shift=52)
        ax.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=2, borderpad=0, handletextpad=0.1)
    name_rows(ax, names)
    label_axes(ax, f"{label}, with 95 % interval", "system")
    ax.margins(x=0.08)
    return figure


def _draw(ax: Axes, rows: pl.DataFrame, at: np.ndarray, edge: float, look: dict[str, Any]) -> None:
    """Draw the rows (system, value, low, high) at the heights `at`."""
    value, low, high = (column.cast(pl.Float64).to_numpy() for column in rows.get_columns()[1:])
    seen = ~(value < edge)  # what is undefined draws nothing
    ax.hlines(at[seen], low[seen], high[seen], color=look["mec"], lw=1.6)
    ax.plot(value[seen], at[seen], ls="none", **look)
    off = look | {"marker": "<", "label": None}
    ax.plot(np.full((~seen).sum(), 0.01), at[~seen], ls="none", transform=ax.get_yaxis_transform(), **off)


def _texts(values: pl.Series, form: str) -> list[str]:
    return ["undefined" if value is None else form.format(value).replace("-", "−") for value in values]
