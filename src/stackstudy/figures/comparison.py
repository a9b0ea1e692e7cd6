"""Tag systems side by side: their training, losses, frequencies, mistakes and attention."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from stackstudy.figures.data import table
from stackstudy.figures.drawing import draw_lines, label_axes, shorten
from stackstudy.figures.heatmap import heat_map
from stackstudy.figures.style import FULL, MUTED, canvas, lines, styled
from stackstudy.figures.tagspace import similarity_order

if TYPE_CHECKING:
    from stackstudy.evaluation.attention import Attended  # it loads the encoders

Curve = tuple[np.ndarray, np.ndarray]


@styled
def validation_curves(history: pl.DataFrame) -> Figure:
    """Validation F1 by epoch, mean over seeds, one panel an architecture and one line a system.

    Columns system, architecture, seed, epoch, validation_f1_micro.
    """
    columns = ("system", "architecture", "seed", "epoch", "validation_f1_micro")
    rows = table(history, columns, "validation curves")
    panels = rows["architecture"].unique().sort().to_list()
    across = min(len(panels), 2)
    down = -(-len(panels) // across)
    figure, axes = canvas(FULL, 0.4 + 1.7 * down, down, across, sharex=True, sharey=True, squeeze=False)
    for ax, architecture in zip(axes.flat, panels, strict=False):
        curves = _means_by_epoch(rows.filter(architecture=architecture), "validation_f1_micro")
        order = sorted(curves, key=lambda name, plain=architecture: (name != plain, name))
        _few_lines(ax, {_variant(name, architecture): curves[name] for name in order})
        ax.set_title(architecture, loc="left")
        label_axes(ax, "epoch", "validation F1 (micro)")
        ax.tick_params(labelbottom=True)  # there may be no panel below
    for ax in axes.flat[len(panels) :]:
        ax.remove()
    return figure


@styled
def loss_study(thresholds: Mapping[str, Mapping[str, Any]], history: pl.DataFrame) -> Figure:
    """Losses compared: validation F1 by threshold with the choice marked (left), and the gap by epoch (right).

    `thresholds` gives for each system thresholds (n,), f1_micro (n,) and chosen. `history` has the columns system,
    seed, epoch, train_loss, validation_loss; the gap is the factor by which the validation loss exceeds the training
    loss.
    """
    rows = table(history, ("system", "seed", "epoch", "train_loss", "validation_loss"), "loss study")
    rows = rows.filter(pl.col("system").is_in(list(thresholds))).with_columns(
        gap=pl.col("validation_loss") / pl.col("train_loss")
    )
    gaps = _means_by_epoch(rows, "gap")
    if not thresholds or (missing := sorted(thresholds.keys() - gaps.keys())):
        raise ValueError(f"loss study: no history of {missing[0] if thresholds else 'any system'}")
    figure, (left, right) = canvas(FULL, 2.6, 1, 2)
    for curve, look in zip(thresholds.values(), lines(len(thresholds)), strict=True):
        x, y, chosen = curve["thresholds"], curve["f1_micro"], curve["chosen"]
        left.plot(x, y, color=look.color, ls=look.linestyle)
        left.plot(chosen, np.interp(chosen, x, y), look.marker, color=look.color, ms=5)
    left.set_title("the marker is on the chosen threshold", loc="right", color=MUTED)
    label_axes(left, "decision threshold", "validation F1 (micro)")
    right.axhline(1, color=MUTED, lw=0.7)
    _few_lines(right, {name: gaps[name] for name in thresholds})
    label_axes(right, "epoch", "validation loss / training loss")
    return figure


@styled
def f1_by_frequency_of_systems(bins: pl.DataFrame) -> Figure:
    """Mean F1 of the labels of each bin of training frequency: columns system, training_questions, labels, f1."""
    rows = table(bins, ("system", "training_questions", "labels", "f1"), "F1 by frequency of systems")
    names = rows["training_questions"].unique(maintain_order=True).to_list()
    systems = rows.partition_by("system", maintain_order=True, as_dict=True)
    figure, ax = canvas(FULL, 2.8)
    at = np.arange(len(names))
    if any(part["training_questions"].to_list() != names for part in systems.values()):
        raise ValueError("F1 by frequency of systems: the systems must have the same bins in the same order")
    draw_lines(ax, {name: (at, part["f1"].to_numpy()) for (name,), part in systems.items()}, points=len(names))
    counts = next(iter(systems.values()))["labels"]
    ax.set_xticks(at, [f"{name.replace('-', '–')}\n{count:,}" for name, count in zip(names, counts, strict=True)])
    ax.set_ylim(-0.02, 1.02)
    label_axes(ax, "training questions with label, number of labels", "mean F1")
    return figure


@styled
def label_confusion(shares: ArrayLike, names: Sequence[str], centroids: np.ndarray) -> Figure:
    """What a missed label is mistaken for: `shares` (k, k) from `evaluation.labels.mistaken`, related labels together.

    The order follows the centroids (k, d), as in the figure of their similarities.
    """
    matrix = np.asarray(shares, dtype=np.float64)
    if not matrix.size or matrix.shape != (len(names), len(names)) or len(centroids) != len(names):
        sizes = f"{len(names)} names, {len(centroids)} centroids and shares of shape {matrix.shape}"
        raise ValueError(f"label confusion: expected as many names as centroids and shares (k, k), got {sizes}")
    order = similarity_order(np.asarray(centroids, dtype=np.float64))
    norm = PowerNorm(0.5, 0, 100)  # the square root lets the rare confusions show
    labels = ("questions with the true label (%)", "predicted label, in the same order", "true label")
    return heat_map(100 * matrix[np.ix_(order, order)], [names[i] for i in order], norm, labels)


@styled
def attention(examples: Sequence["Attended"]) -> Figure:
    """Weights of each head on the pieces of the body, a panel a question, under its title."""
    if not examples:
        raise ValueError("attention: nothing to draw, there are no questions")
    pieces = [len(example.pieces) for example in examples]
    figure, axes = canvas(
        FULL, 0.9 + 0.5 * len(pieces) + 0.16 * sum(pieces), len(pieces), height_ratios=pieces, squeeze=False
    )
    # Even weights are then at most half-way up the colours.
    norm = Normalize(0, min(1, max(max(2 / len(each.pieces), each.weights.max()) for each in examples)))
    for ax, example in zip(axes[:, 0], examples, strict=True):
        image = ax.imshow(example.weights.T, aspect="auto", norm=norm, interpolation="nearest")
        ax.set_yticks(np.arange(len(example.pieces)), [shorten(" ".join(text.split()), 56) for text in example.pieces])
        ax.set_xticks(np.arange(len(example.weights)), np.arange(1, len(example.weights) + 1))
        ax.set_title(f"“{shorten(example.title, 80)}”", loc="right")  # its start has room above the texts
        label_axes(ax, "head" if ax is axes[-1, 0] else "", "piece of the body")
    figure.colorbar(
        image, ax=list(axes[:, 0]), location="top", shrink=0.5, aspect=30, pad=0.01, label="attention weight"
    )
    return figure


def _means_by_epoch(rows: pl.DataFrame, column: str) -> dict[str, Curve]:
    """Return epochs (e,) and the mean of `column` over the seeds that got so far (e,), for each system by name."""
    means = rows.group_by("system", "epoch").agg(pl.col(column).sort_by("seed").mean()).sort("system", "epoch")
    systems = means.partition_by("system", maintain_order=True, as_dict=True)
    return {name: (part["epoch"].to_numpy(), part[column].to_numpy()) for (name,), part in systems.items()}


def _few_lines(ax: Axes, curves: Mapping[str, Curve]) -> None:
    """Draw named curves of epochs with few markers and their names at the ends."""
    draw_lines(ax, dict(curves), points=6)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1))


def _variant(system: str, architecture: str) -> str:
    """Return the words of a system's name that its architecture does not have; the name where none is left."""
    return "-".join(word for word in system.split("-") if word not in architecture.split("-")) or system
