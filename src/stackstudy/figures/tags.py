"""Tag prediction: training, labels, threshold, calibration, and the systems side by side."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from stackstudy.figures.curves import learning_curves
from stackstudy.figures.data import pair, table
from stackstudy.figures.drawing import label_axes, name_rows, plain, plain_log, remark, write_right
from stackstudy.figures.heatmap import heat_map
from stackstudy.figures.style import BLUE, FULL, HALF, INK, MUTED, ORANGE, canvas, styled
from stackstudy.figures.systems import dots_and_intervals


@styled
def learning_curve(history: pl.DataFrame) -> Figure:
    """Losses and validation F1 by epoch: columns seed, epoch, train_loss, validation_loss, validation_f1_micro."""
    return learning_curves(history, "validation_f1_micro", "validation F1 (micro)", max)


@styled
def per_label(labels: pl.DataFrame, count: int = 12) -> Figure:
    """Precision, recall and F1 of the `count` easiest and hardest labels.

    `labels` has the columns label, precision, recall, f1 and support, one row a label.
    """
    rows = table(labels, ("label", "precision", "recall", "f1", "support"), "per label")
    rows = rows.sort(["f1", "label"], descending=[True, False])
    if len(rows) > 2 * count:
        rows = pl.concat([rows.head(count), rows.tail(count)])
    figure, ax = canvas(FULL, 0.8 + 0.165 * len(rows))
    at = np.arange(len(rows))
    ax.hlines(at, rows["precision"], rows["recall"], color=MUTED, lw=0.7)
    ax.plot(rows["precision"], at, ">", color=ORANGE, ms=5, mec=INK, mew=0.4, label="precision")
    ax.plot(rows["recall"], at, "<", color=BLUE, ms=5, mec=INK, mew=0.4, label="recall")
    ax.plot(rows["f1"], at, "o", color=INK, ms=4, label="F1")
    name_rows(ax, rows["label"].to_list())
    if len(labels) > 2 * count:
        ax.axhline(count - 0.5, color=INK, lw=0.8)
        remark(ax, f"{count} easiest and {count} hardest of {len(labels):,}")
    ax.set_xlim(-0.02, 1.02)
    label_axes(ax, "precision, recall, F1", "label")
    write_right(ax, "support", at, [plain(n) for n in rows["support"]])
    ax.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=3, borderpad=0, handletextpad=0.1, columnspacing=1)
    return figure


@styled
def f1_by_frequency(labels: pl.DataFrame) -> Figure:
    """F1 of each label by its frequency, with medians of eight equal groups: columns label, f1, training_support."""
    rows = table(labels, ("label", "f1", "training_support"), "F1 by frequency").sort("training_support", "label")
    support, f1 = np.maximum(rows["training_support"].to_numpy(), 1), rows["f1"].to_numpy()
    figure, ax = canvas(FULL, 2.6)
    ax.plot(support, f1, "o", color=BLUE, ms=3.5, alpha=0.6, mew=0)
    if len(rows) >= 16:
        groups = list(zip(np.array_split(support, 8), np.array_split(f1, 8), strict=True))
        ax.plot([np.median(s) for s, _ in groups], [np.median(f) for _, f in groups], "s-", color=INK)
        remark(ax, "● label   ■ median of an eighth of the labels")
    plain_log(ax.xaxis)
    ax.set_ylim(-0.02, 1.02)
    label_axes(ax, "training questions with label (log scale)", "F1")
    return figure


@styled
def threshold_curve(thresholds: ArrayLike, f1_micro: ArrayLike, chosen: float) -> Figure:
    """Micro F1 (n,) by decision threshold (n,) on validation, with the chosen threshold marked."""
    x, y = pair(thresholds, f1_micro, "threshold curve")
    order = np.argsort(x)
    x, y = x[order], y[order]
    if not x[0] <= chosen <= x[-1]:
        raise ValueError(f"threshold curve: the chosen threshold {chosen} lies outside {x[0]} to {x[-1]}")
    value = np.interp(chosen, x, y)
    figure, ax = canvas(HALF, 2.3)
    ax.plot(x, y, color=BLUE, marker="o" if x.size == 1 else None)
    ax.axvline(chosen, color=INK, lw=0.7)
    ax.plot(chosen, value, "D", color=INK, ms=4)
    remark(ax, f"◆ chosen {chosen:.2f}, F1 {value:.3f}")
    label_axes(ax, "decision threshold", "validation F1 (micro)")
    return figure


@styled
def reliability(bins: pl.DataFrame) -> Figure:
    """Observed share against predicted probability, with bin counts: columns predicted, observed (0 to 1), count."""
    rows = table(bins, ("predicted", "observed", "count"), "reliability").filter(pl.col("count") > 0).sort("predicted")
    predicted, observed, count = table(rows, ("predicted", "observed", "count"), "reliability, filled bins")
    figure, (top, bottom) = canvas(HALF, 3.5, 2, 1, sharex=True, height_ratios=(3, 1))
    top.plot([0, 1], [0, 1], color=MUTED, lw=0.7, ls="--")
    top.plot(predicted, observed, "o-", color=BLUE)
    top.set_xlim(-0.03, 1.03)
    top.set_ylim(-0.03, 1.03)
    top.set_title("on the dashed line: calibrated", loc="right", color=MUTED)
    top.set_ylabel("observed share")
    bottom.vlines(predicted, 0.5, count, color=BLUE, lw=4)
    bottom.set_ylim(0.5, 3 * count.max())
    plain_log(bottom.yaxis, ticks=4)
    label_axes(bottom, "predicted probability", "predictions")
    figure.align_ylabels()
    return figure


@styled
def confusion(matrix: ArrayLike, names: Sequence[str]) -> Figure:
    """Share of each true label (row) by predicted label (column): `matrix` holds counts (k, k), `names` k labels."""
    counts = np.asarray(matrix, dtype=np.float64)
    if counts.shape != (len(names), len(names)) or not counts.size:
        raise ValueError(f"confusion: expected counts (k, k) for {len(names)} names, got shape {counts.shape}")
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    norm = PowerNorm(0.5, 0, 100)  # the square root lets the rare confusions show
    labels = ("questions of the true label (%)", "predicted label, in the same order", "true label")
    return heat_map(100 * shares, names, norm, labels)


@styled
def systems_summary(summary: pl.DataFrame) -> Figure:
    """Weighted F1 of each system, best on top: columns system, f1_weighted, f1_weighted_low, f1_weighted_high.

    Systems below half of the best are arrows at the edge, with their values written.
    """
    best = table(summary, ("f1_weighted",), "systems summary")["f1_weighted"].max()
    return dots_and_intervals(summary, "f1_weighted", "weighted F1", "{:.3f}", descending=True, edge=best / 2)


@styled
def seq2seq_course(history: pl.DataFrame) -> Figure:
    """Training loss and validation F1 by step, a line a seed: columns seed, step, train_loss, validation_f1_micro."""
    rows = table(history, ("seed", "step", "train_loss", "validation_f1_micro"), "course of seq2seq")
    seeds = rows.sort("seed", "step").partition_by("seed", maintain_order=True)
    figure, (losses, score) = canvas(FULL, 2.3, 1, 2)
    for seed in seeds:
        look = {"lw": 0.8, "alpha": 0.8, "marker": "o" if len(seed) == 1 else None}
        losses.plot(seed["step"], seed["train_loss"], color=ORANGE, **look)
        score.plot(seed["step"], seed["validation_f1_micro"], color=BLUE, **look)
        best = seed["validation_f1_micro"].arg_max()
        score.plot(seed["step"][best], seed["validation_f1_micro"][best], "D", color=INK, ms=4, zorder=3)
    remark(score, "◆ best checkpoint of each seed" if len(seeds) > 1 else "◆ best checkpoint")
    for ax, label in ((losses, "training loss"), (score, "validation F1 (micro)")):
        label_axes(ax, "step", label)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5, min_n_ticks=1))
    return figure
