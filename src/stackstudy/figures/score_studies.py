"""Single studies on scores: early stopping, prediction intervals, importance of features, named classes."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from stackstudy.evaluation.score_studies import UNSTOPPED
from stackstudy.figures.data import table
from stackstudy.figures.drawing import end_labels, label_axes, name_rows, remark, write_right
from stackstudy.figures.style import BLUE, FULL, INK, MUTED, ORANGE, Line, canvas, styled

LOSSES = {"train": Line(ORANGE, "--", "s"), "validation": Line(BLUE, "-", "o")}
FEATURES = 25  # that fit on a page


@styled
def early_stopping(history: pl.DataFrame) -> Figure:
    """Losses (left) and validation RMSE (right) of networks trained to the end, and where early stopping ends them.

    Columns system, seed, epoch, train_loss, validation_loss, validation_rmse; a system is drawn if it is there with
    and without ``-no-stopping``. Lines are means over seeds, thin ones single seeds.
    """
    columns = ("system", "seed", "epoch", "train_loss", "validation_loss", "validation_rmse")
    rows = table(history, columns, "early stopping").sort("system", "seed", "epoch")
    names = [name for name in rows["system"].unique().sort() if f"{name}{UNSTOPPED}" in rows["system"]]
    if not names:
        raise ValueError("early stopping: no system is there both with and without it")
    figure, axes = canvas(FULL, 0.5 + 1.9 * len(names), len(names), 2, squeeze=False)
    for (left, right), name in zip(axes, names, strict=True):
        full, stopped = (rows.filter(system=system) for system in (f"{name}{UNSTOPPED}", name))
        curves = [_course(left, full, f"{part}_loss", look) for part, look in LOSSES.items()]
        left.set_title(name, loc="left")
        end_labels(left, [*LOSSES], curves, [*LOSSES.values()])
        _course(right, full, "validation_rmse", LOSSES["validation"])
        kept = stopped.sort("validation_rmse", "epoch").unique("seed", keep="first", maintain_order=True)
        right.plot(kept["epoch"], kept["validation_rmse"], "D", color=INK, ms=3.5, zorder=3)
        remark(right, "◆ epoch that early stopping keeps, each seed")
        label_axes(left, "epoch", "loss")
        label_axes(right, "epoch", "validation RMSE (votes)")
        for ax in (left, right):
            ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1))
    return figure


def _course(ax: Axes, rows: pl.DataFrame, column: str, look: Line) -> tuple[float, float]:
    """Draw the mean of `column` over seeds by epoch, and single seeds thinly; return the end of the mean."""
    seeds = rows.partition_by("seed", maintain_order=True)
    for seed in seeds if len(seeds) > 1 else ():
        ax.plot(seed["epoch"], seed[column], color=look.color, ls=look.linestyle, lw=0.5, alpha=0.5)
    means = rows.group_by("epoch").agg(pl.col(column).sort_by("seed").mean()).sort("epoch")
    marker = look.marker if len(means) == 1 else None
    ax.plot(means["epoch"], means[column], color=look.color, ls=look.linestyle, marker=marker)
    return means["epoch"][-1], means[column][-1]


@styled
def intervals(quantiles: pl.DataFrame, coverage: pl.DataFrame, level: float) -> Figure:
    """Calibration of prediction intervals: quantiles (left), and the coverage of groups of questions (right).

    `quantiles` has the columns quantile, below, at_most; `coverage` by, group, questions, coverage, coverage_low and
    coverage_high; `level` is the coverage promised. Strata come largest first.
    """
    left_rows = table(quantiles, ("quantile", "below", "at_most"), "quantiles")
    columns = ("by", "group", "questions", "coverage", "coverage_low", "coverage_high")
    rows = table(coverage, columns, "coverage of intervals")
    sizes = pl.when(pl.col("by") == "stratum").then(-pl.col("questions").cast(pl.Int64)).otherwise(None)
    rows = rows.sort(sizes, nulls_last=False, maintain_order=True)
    figure, (left, right) = canvas(FULL, max(2.9, 1.0 + 0.19 * len(rows)), 1, 2, width_ratios=(2, 3))
    _quantiles(left, left_rows)
    at = np.arange(len(rows))
    right.axvline(100 * level, color=MUTED, lw=0.7, ls="--")
    right.hlines(at, 100 * rows["coverage_low"], 100 * rows["coverage_high"], color=BLUE, lw=1.4)
    right.plot(100 * rows["coverage"], at, "o", color=BLUE, ms=4)
    name_rows(right, [f"{group} quarter" if by == "width" else group for by, group in rows["by", "group"].rows()])
    write_right(right, "questions", at, [f"{count:,}" for count in rows["questions"]])
    remark(right, f"dashed: the {100 * level:.0f} % promised")
    right.set_xlim(None, 101)
    label_axes(right, "scores inside the interval (%)", "test questions")
    return figure


def _quantiles(ax: Axes, rows: pl.DataFrame) -> None:
    """Draw the share of scores below each quantile, up to that not above it, against its level."""
    ax.plot([0, 1], [0, 1], color=MUTED, lw=0.7, ls="--")
    ax.vlines(rows["quantile"], rows["below"], rows["at_most"], color=BLUE, lw=3)
    middle = (rows["below"] + rows["at_most"]) / 2
    ax.plot(rows["quantile"], middle, "_", color=BLUE, ms=9, mew=2)
    ax.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    ax.set_xticks(rows["quantile"], [f"{level:g}" for level in rows["quantile"]])
    remark(ax, "dashed: calibrated")
    label_axes(ax, "level of the predicted quantile", "share of test scores below it")


@styled
def importance(features: pl.DataFrame, label: str) -> Figure:
    """Permutation importance of features, highest first: columns feature, importance, low, high (least and most).

    `label` names what the importance is measured in.
    The first `FEATURES` are drawn; the axis says how many are left out.
    """
    rows = table(features, ("feature", "importance", "low", "high"), "permutation importance")
    rows = rows.sort("importance", "feature", descending=[True, False])
    shown = rows.head(FEATURES)
    figure, ax = canvas(FULL, 0.8 + 0.19 * len(shown))
    at = np.arange(len(shown))
    ax.hlines(at, shown["low"], shown["high"], color=BLUE, lw=1.4)
    ax.plot(shown["importance"], at, "o", color=BLUE, ms=4)
    ax.axvline(0, color=MUTED, lw=0.7)
    name_rows(ax, shown["feature"].to_list(), 40)
    left_out = len(rows) - len(shown)
    label_axes(ax, label, f"feature (without the last {left_out})" if left_out else "feature")
    return figure


@styled
def classes(counts: ArrayLike, names: Sequence[str]) -> Figure:
    """Share of each true class (row) by predicted class (column): `counts` (k, k), written in the cells as per cent.

    The counts may be means over seeds.
    """
    matrix = np.asarray(counts, dtype=np.float64)
    if matrix.shape != (len(names), len(names)) or not matrix.size:
        raise ValueError(f"classes: expected counts (k, k) for {len(names)} names, got shape {matrix.shape}")
    shares = 100 * matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    figure, ax = canvas(FULL, 0.8 + 0.34 * len(names))
    ax.imshow(shares, aspect="auto", vmin=0, vmax=100, interpolation="nearest")
    for (row, column), share in np.ndenumerate(shares):
        ax.text(column, row, f"{share:.0f}", ha="center", va="center", color="white" if share > 45 else INK)
    ax.set_xticks(np.arange(len(names)), names)
    ax.set_yticks(np.arange(len(names)), names)
    write_right(ax, "true", np.arange(len(names)), [f"{count:,.0f}" for count in matrix.sum(axis=1)])
    remark(ax, "% of the questions of the true class")
    label_axes(ax, "predicted class", "true class")
    return figure
