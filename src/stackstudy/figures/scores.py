"""Score prediction: what is predicted for what, where the error lies, and how far a few questions decide R²."""

from collections.abc import Mapping

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from stackstudy.figures.curves import learning_curves
from stackstudy.figures.data import numbers, pair, series
from stackstudy.figures.drawing import (
    draw_lines,
    label_axes,
    percent,
    plain,
    score_axis,
    score_edges,
)
from stackstudy.figures.style import BLUE, FULL, INK, MUTED, ORANGE, canvas, styled
from stackstudy.figures.systems import dots_and_intervals

# name of the column -> (label, whether more is better, how it is written)
METRICS = {
    "rmse": ("RMSE (votes)", False, "{:,.1f}"),
    "mae": ("MAE (votes)", False, "{:,.1f}"),
    "r2": ("R²", True, "{:.3f}"),
    "rmse_log": ("RMSE of the signed log score", False, "{:.3f}"),
    "r2_log": ("R² of the signed log score", True, "{:.3f}"),
    "r2_without_top10": ("R² without the ten highest-scored questions", True, "{:.3f}"),
    "spearman": ("Spearman correlation", True, "{:.3f}"),
    "pinball": ("pinball loss (votes)", False, "{:,.2f}"),
}


@styled
def learning_curve(history: pl.DataFrame) -> Figure:
    """Losses and validation RMSE by epoch: columns seed, epoch, train_loss, validation_loss, validation_rmse."""
    return learning_curves(history, "validation_rmse", "validation RMSE (votes)", min)


def _cells(ax: Axes, actual: np.ndarray, predicted: np.ndarray, x_edges: np.ndarray, y_edges: np.ndarray) -> None:
    """Shade cells by their number of questions (log), with the identity line."""
    counts, _, _ = np.histogram2d(actual, predicted, bins=(x_edges, y_edges))
    # The scale starts below 1, so that a cell with one question is not white.
    shades = LogNorm(0.3, max(counts.max(), 10))
    ax.pcolormesh(x_edges, y_edges, np.ma.masked_equal(counts.T, 0), norm=shades, rasterized=True)
    ends = [max(x_edges[0], y_edges[0]), min(x_edges[-1], y_edges[-1])]
    ax.plot(ends, ends, color=ORANGE, lw=1, ls="--")
    ax.set(xlim=(x_edges[0], x_edges[-1]), ylim=(y_edges[0], y_edges[-1]))
    label_axes(ax, "actual score", "predicted score")


def _filtered(ax: Axes, actual: np.ndarray, predicted: np.ndarray) -> None:
    low, high = np.quantile(actual, [0.01, 0.95], method="nearest")
    width = max(1, np.ceil((high - low) / 30))
    edges = np.arange(low - 0.5, max(high, low + 4) + 0.5 + width, width)
    _cells(ax, actual, predicted, edges, edges)
    inside = (np.minimum(actual, predicted) >= edges[0]) & (np.maximum(actual, predicted) <= edges[-1])
    ax.set_title(f"usual scores: {percent(inside.mean())} of questions", loc="left")


def _whole(ax: Axes, actual: np.ndarray, predicted: np.ndarray) -> None:
    edges = score_edges(min(actual.min(), predicted.min()), max(actual.max(), predicted.max()))
    for axis in (ax.xaxis, ax.yaxis):
        score_axis(axis, edges[0], edges[-1])
    scale = ax.yaxis.get_transform()
    even = scale.inverted().transform(np.linspace(*scale.transform(edges[[0, -1]]), 50))
    even[[0, -1]] = edges[[0, -1]]  # the way there and back rounds
    _cells(ax, actual, predicted, edges, even)
    ax.set_title("all questions, signed-log scales", loc="left")


@styled
def predicted_actual(actual: ArrayLike, predicted: ArrayLike) -> Figure:
    """Predicted against actual scores (n,): the usual range on linear axes, and everything on signed-log axes."""
    x, y = pair(actual, predicted, "predicted against actual")
    figure, (left, right) = canvas(FULL, 3.2, 1, 2)
    _filtered(left, x, y)
    _whole(right, x, y)
    figure.supxlabel("darker: more questions (log); dashed: predicted = actual", fontsize="medium", color=MUTED)
    return figure


def _quantile_bins(actual: np.ndarray, bins: int) -> list[np.ndarray]:
    """Return the rows of each quantile bin of `actual`; equal scores stay together, so there may be fewer."""
    bounds = np.unique(np.quantile(actual, np.linspace(0, 1, bins + 1)[1:], method="inverted_cdf"))
    place = np.searchsorted(bounds, actual)
    return [np.flatnonzero(place == bin_) for bin_ in range(bounds.size)]


def _range_name(values: np.ndarray) -> str:
    low, high = plain(values.min()), plain(values.max())
    return low if low == high else f"{low} to\n{high}"


@styled
def error_by_quantile(actual: ArrayLike, predicted: ArrayLike, bins: int = 10) -> Figure:
    """Mean and median absolute error by quantile bin of the actual score (n,), with the questions in each bin."""
    x, y = pair(actual, predicted, "error by quantile")
    groups = _quantile_bins(x, bins)
    errors = [np.abs(x[rows] - y[rows]) for rows in groups]
    at = np.arange(len(groups))
    figure, ax = canvas(FULL, 2.8)
    means, medians = ([f(e) for e in errors] for f in (np.mean, np.median))
    ax.plot(at, means, "D", color=ORANGE, mec=INK, mew=0.4, ms=4.5, label="mean")
    ax.plot(at, medians, "o", color=BLUE, ms=4.5, label="median")
    top = 2 * max(*means, *medians, 1)
    score_axis(ax.yaxis, 0, top)
    ax.set_ylim(0, top)
    ax.set_xticks(at, [_range_name(x[rows]) for rows in groups])
    ax.set_xlim(-0.6, len(groups) - 0.4)
    for place, rows in zip(at, groups, strict=True):
        ax.text(place, 1.01, f"{rows.size:,}", transform=ax.get_xaxis_transform(), ha="center", va="bottom")
    ax.set_title("questions in bin", loc="left", pad=14, color=MUTED)
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1.08), ncols=2, handletextpad=0.1, borderpad=0, columnspacing=1)
    label_axes(ax, "actual score (bins of about equal size)", "absolute error (votes, log scale)")
    return figure


@styled
def r2_without_top(ks: ArrayLike, r2: Mapping[str, ArrayLike]) -> Figure:
    """R² on the test questions without the `ks` (n,) highest-scored ones: system -> (n,)."""
    x = numbers(ks, "R² without the top, ks")
    systems = series(r2, "R² without the top")
    for name, values in systems.items():
        pair(x, values, f"R² without the top, {name}")
    figure, ax = canvas(FULL, 2.8)
    score_axis(ax.xaxis, 0, x.max())
    ax.axhline(0, color=MUTED, lw=0.7)
    draw_lines(ax, {name: (x, values) for name, values in systems.items()}, points=len(x))
    label_axes(ax, "highest-scored test questions left out (log scale)", "R² on the rest")
    return figure


@styled
def systems_summary(summary: pl.DataFrame, metric: str) -> Figure:
    """A metric (key of METRICS) of each system, best on top: columns system, `metric`, `metric`_low, `metric`_high."""
    if metric not in METRICS:
        raise ValueError(f"systems summary: unknown metric {metric}; it must be one of {', '.join(METRICS)}")
    label, more_is_better, form = METRICS[metric]
    return dots_and_intervals(summary, metric, label, form, descending=more_is_better)
