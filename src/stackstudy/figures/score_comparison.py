"""Score systems side by side: on several scales, within samples, with text and without it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from stackstudy.evaluation.score_tables import role
from stackstudy.figures.data import table
from stackstudy.figures.drawing import label_axes, name_rows
from stackstudy.figures.style import BLUE, FULL, INK, MUTED, ORANGE, canvas, lines, styled

METRICS = {"r2": "R²", "r2_log": "R², log scale", "spearman": "Spearman"}
ENDS = ("", "_low", "_high")
READS = {"text": "reads text alone", "both": "knows age or sample", "floor": "reads nothing"}
COLORS = {"text": BLUE, "both": ORANGE, "controls": ORANGE, "floor": MUTED}
WHOLE: dict[str, Any] = {"marker": "o", "ms": 4, "label": "whole test set"}
WITHIN: dict[str, Any] = {"marker": "s", "ms": 4, "mfc": "white", "mew": 1, "label": "within samples"}
APART = 0.19  # of a row: how far the value within samples and the one on the whole stand from its middle
EDGE = -0.3  # values below it are arrows: how far below zero a fit lies says nothing any more
SMALL = 20  # test questions; a stratum with fewer says nothing


@styled
def systems(summary: pl.DataFrame) -> Figure:
    """Each system by each of `METRICS` with 95 % intervals, in the order of `summary`.

    `summary` as `evaluation.score_tables.ordered` returns it; where it has ``<metric>_within``, that is an open square.
    What is undefined is not drawn.
    """
    within = "r2_within" in summary.columns
    shown = [f"{metric}{part}" for metric in METRICS for part in (("", "_within") if within else ("",))]
    columns = tuple(f"{name}{end}" for name in shown for end in ENDS)
    rows = table(summary, ("system", *columns), "score systems", may_miss=columns)
    names = rows["system"].to_list()
    colors, at = [COLORS[role(name)] for name in names], np.arange(len(rows))
    figure, panels = _panels(1.0 + (0.25 if within else 0.19) * len(rows), names, "system")
    for metric, ax in panels.items():
        _draw(ax, rows, metric, at - APART * within, colors, WHOLE)
        if within:
            _draw(ax, rows, f"{metric}_within", at + APART, colors, WITHIN)
    kinds = {"both" if role(name) == "controls" else role(name) for name in names}
    looks = [WHOLE | {"color": COLORS[kind], "label": text} for kind, text in READS.items() if kind in kinds]
    _legend(figure, looks + [look | {"color": INK} for look in ((WHOLE, WITHIN) if within else ())])
    return figure


@styled
def text_adds(study: pl.DataFrame) -> Figure:
    """What is added to what: differences by each of `METRICS` with 95 % intervals, within samples as open squares.

    `study` has the columns added, metric, difference, low, high, as `evaluation.score_studies.text_study` returns.
    """
    values = ("difference", "low", "high")
    rows = table(study, ("added", "metric", *values), "what text adds", may_miss=values)
    names = rows["added"].unique(maintain_order=True).to_list()
    within = "r2_within" in rows["metric"]
    figure, panels = _panels(0.9 + 0.3 * len(names), names, "what is added", " (difference)")
    for metric, ax in panels.items():
        for name, shift, look in ((metric, -APART * within, WHOLE), (f"{metric}_within", APART, WITHIN)):
            part = rows.filter(metric=name).select(pl.exclude(*values), *_as_metric(name, values))
            at = np.array([names.index(added) for added in part["added"]]) + shift
            _draw(ax, part, name, at, [BLUE] * len(part), look, edge=-np.inf)
    if within:
        _legend(figure, [look | {"color": BLUE} for look in (WHOLE, WITHIN)])
    return figure


@styled
def stack_weights(weights: pl.DataFrame) -> Figure:
    """The weights of the members of each stack, a panel a stack; those without a weight are left out.

    Columns stack, system, weight.
    """
    rows = table(weights, ("stack", "system", "weight"), "stack weights").filter(pl.col("weight") > 0)
    parts = rows.partition_by("stack", maintain_order=True)
    figure, axes = canvas(FULL, 0.7 + 0.22 * max(map(len, parts)), 1, len(parts), sharex=True, squeeze=False)
    for ax, part in zip(axes[0], parts, strict=True):
        members = part.sort("weight", descending=True)
        colors = [COLORS[role(name)] for name in members["system"]]
        ax.barh(np.arange(len(members)), members["weight"], height=0.6, color=colors)
        name_rows(ax, members["system"].to_list())
        ax.set_title(part["stack"][0], loc="left")
        label_axes(ax, "weight", "")
    return figure


@styled
def strata(by_stratum: pl.DataFrame, systems: Mapping[str, str]) -> Figure:
    """A few systems (label -> name) inside each stratum by each of `METRICS`, with 95 % intervals.

    `by_stratum` as `evaluation.score_tables.by_stratum` returns it. Strata with fewer than `SMALL` test questions are
    left out, unless all are that small.
    """
    columns = tuple(f"{metric}{end}" for metric in METRICS for end in ENDS)
    rows = table(by_stratum, ("stratum", "questions", "system", *columns), "strata", may_miss=columns)
    rows = rows.filter(pl.col("questions") >= min(SMALL, rows["questions"].max()))
    sizes = rows.select("stratum", "questions").unique().sort("questions", "stratum", descending=[True, False])
    names = sizes["stratum"].to_list()
    shown = [f"{name} ({count:,})" for name, count in sizes.rows()]
    figure, panels = _panels(max(1.8, 0.9 + (0.1 + 0.1 * len(systems)) * len(names)), shown, "stratum (test questions)")
    looks = [
        {"color": look.color, "marker": look.marker, "ms": 3.5, "label": label}
        for label, look in zip(systems, lines(len(systems)), strict=True)
    ]
    shifts = 0.26 * (np.arange(len(systems)) - (len(systems) - 1) / 2)
    for system, shift, look in zip(systems.values(), shifts, looks, strict=True):
        part = rows.filter(system=system)
        at = np.array([names.index(stratum) for stratum in part["stratum"]]) + shift
        for metric, ax in panels.items():
            _draw(ax, part, metric, at, [look["color"]] * len(part), look)
    _legend(figure, looks)
    return figure


def _as_metric(name: str, values: Sequence[str]) -> list[pl.Expr]:
    return [pl.col(value).alias(f"{name}{end}") for value, end in zip(values, ENDS, strict=True)]


def _panels(height: float, names: Sequence[str], what: str, suffix: str = "") -> tuple[Figure, dict[str, Axes]]:
    """Return a figure with a panel a metric over the same named rows."""
    figure, axes = canvas(FULL, height, 1, len(METRICS), sharey=True)
    for place, (ax, label) in enumerate(zip(axes, METRICS.values(), strict=True)):
        name_rows(ax, names, 40)
        ax.axvline(0, color=MUTED, lw=0.7, zorder=0)
        ax.xaxis.set_major_locator(MaxNLocator(4))
        label_axes(ax, f"{label}{suffix}", what)
        ax.tick_params(labelleft=place == 0)  # all panels have the same rows
        ax.yaxis.label.set_visible(place == 0)
    return figure, dict(zip(METRICS, axes, strict=True))


def _draw(
    ax: Axes,
    rows: pl.DataFrame,
    metric: str,
    at: np.ndarray,
    colors: Sequence[str],
    look: Mapping[str, Any],
    edge: float = EDGE,
) -> None:
    """Draw value and interval of `metric` at the heights `at`; what lies below `edge` is an arrow at the left."""
    values = zip(*(rows[f"{metric}{end}"].cast(pl.Float64) for end in ENDS), strict=True)
    for (value, low, high), y, color in zip(values, at, colors, strict=True):
        if value is None:
            continue
        marker = {"mfc": color} | dict(look) | {"mec": color, "color": color, "ls": "none", "label": None}
        if value < edge:
            ax.plot(0.02, y, transform=ax.get_yaxis_transform(), **marker | {"marker": "<"})
            continue
        ax.hlines(y, max(low, edge), high, color=color, lw=1.2)
        ax.plot(value, y, **marker)


def _legend(figure: Figure, looks: Sequence[Mapping[str, Any]]) -> None:
    handles = [Line2D([], [], **{"ls": "none", "mec": look["color"]} | dict(look)) for look in looks]
    figure.legend(handles=handles, loc="outside upper center", ncols=3, handletextpad=0.1)
