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
    remark,
    score_axis,
    score_edges,
)
from stackstudy.figures.style import FULL, MUTED, ORANGE, canvas, lines, styled

LOWEST = -1.0  # R² that is drawn: how far below the mean a system falls says nothing any more


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
def error_by_quantile(actual: ArrayLike, predicted: Mapping[str, ArrayLike], bins: int = 10) -> Figure:
    """Median and mean absolute error by quantile bin of the actual score (n,), with the questions in each bin.

    `predicted` gives the predictions (n,) of a few systems by name.
    """
    systems = {name: pair(actual, values, f"error by quantile, {name}") for name, values in predicted.items()}
    if not systems:
        raise ValueError("error by quantile: nothing to draw, there are no systems")
    x = next(iter(systems.values()))[0]
    groups = _quantile_bins(x, bins)
    figure, ax = canvas(FULL, 2.8)
    at, top = np.arange(len(groups)), 1.0
    shifts = 0.22 * (np.arange(len(systems)) - (len(systems) - 1) / 2)
    for (name, (_, y)), shift, look in zip(systems.items(), shifts, lines(len(systems)), strict=True):
        errors = [np.abs(x[rows] - y[rows]) for rows in groups]
        means, medians = ([f(e) for e in errors] for f in (np.mean, np.median))
        ax.vlines(at + shift, medians, means, color=look.color, lw=0.8)
        marker = {"marker": look.marker, "ls": "none", "color": look.color, "ms": 4.5}
        ax.plot(at + shift, medians, **marker, label=f"{name}: median")
        ax.plot(at + shift, means, **marker, mfc="white", label="mean")
        top = max(top, *means, *medians)
    score_axis(ax.yaxis, 0, 2 * top)
    ax.set_ylim(0, 2 * top)
    ax.set_xticks(at, [_range_name(x[rows]) for rows in groups])
    ax.set_xlim(-0.6, len(groups) - 0.4)
    for place, rows in zip(at, groups, strict=True):
        ax.text(place, 1.01, f"{rows.size:,}", transform=ax.get_xaxis_transform(), ha="center", va="bottom")
    ax.set_title("questions in bin", loc="left", pad=14, color=MUTED)
    figure.legend(loc="outside upper center", ncols=2 * min(len(systems), 2), handletextpad=0.1, columnspacing=1)
    label_axes(ax, "actual score (bins of about equal size)", "absolute error (votes, log scale)")
    return figure


@styled
def r2_without_top(ks: ArrayLike, r2: Mapping[str, ArrayLike]) -> Figure:
    """R² on the test questions without the `ks` (n,) highest-scored ones: system -> (n,), a handful of systems.

    What falls below −1 is drawn there, so that it does not crowd the others.
    """
    x = numbers(ks, "R² without the top, ks")
    systems = series(r2, "R² without the top")
    for name, values in systems.items():
        pair(x, values, f"R² without the top, {name}")
    figure, ax = canvas(FULL, 2.8)
    score_axis(ax.xaxis, 0, x.max())
    ax.axhline(0, color=MUTED, lw=0.7)
    draw_lines(ax, {name: (x, np.maximum(values, LOWEST)) for name, values in systems.items()}, points=len(x))
    if any((values < LOWEST).any() for values in systems.values()):
        remark(ax, "values below −1 are drawn at −1")
    label_axes(ax, "highest-scored test questions left out (log scale)", "R² on the rest")
    return figure
