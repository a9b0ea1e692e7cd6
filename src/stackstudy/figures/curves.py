"""Learning curves, drawn alike for tags and scores."""

from collections.abc import Callable

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from stackstudy.figures.data import table
from stackstudy.figures.drawing import end_labels, label_axes
from stackstudy.figures.style import BLUE, FULL, INK, ORANGE, Line, canvas

TRAIN, VALIDATION = Line(ORANGE, "-", "s"), Line(BLUE, "-", "o")


def _seed_lines(ax: Axes, seeds: list[pl.DataFrame], column: str, line: Line) -> None:
    for seed in seeds:
        marker = line.marker if len(seed) == 1 else None
        ax.plot(seed["epoch"], seed[column], color=line.color, ls=line.linestyle, lw=0.8, alpha=0.8, marker=marker)


def _mean_end(seeds: list[pl.DataFrame], column: str) -> tuple[float, float]:
    last = [(seed["epoch"][-1], seed[column][-1]) for seed in seeds]
    return max(epoch for epoch, _ in last), sum(value for _, value in last) / len(last)


def _best(seed: pl.DataFrame, column: str, choose: Callable) -> tuple[float, float]:
    """Return epoch and value of the best epoch of one seed; the first of equals."""
    best = choose(seed[column])
    row = seed.filter(pl.col(column) == best).row(0, named=True)
    return row["epoch"], best


def learning_curves(history: pl.DataFrame, metric: str, label: str, choose: Callable) -> Figure:
    """Draw losses (left) and the validation `metric` (right) by epoch, one thin line a seed, the best epoch marked.

    `history` has the columns seed, epoch, train_loss, validation_loss and `metric`; `choose` is min or max.
    """
    columns = ("seed", "epoch", "train_loss", "validation_loss", metric)
    rows = table(history, columns, "learning curve").sort("seed", "epoch")
    seeds = rows.partition_by("seed", maintain_order=True)
    figure, (losses, score) = canvas(FULL, 2.4, 1, 2)
    names = {"train_loss": ("train", TRAIN), "validation_loss": ("validation", VALIDATION)}
    for column, (_, line) in names.items():
        _seed_lines(losses, seeds, column, line)
    ends = [_mean_end(seeds, column) for column in names]
    end_labels(losses, [name for name, _ in names.values()], ends, [TRAIN, VALIDATION])
    label_axes(losses, "epoch", "loss")
    _seed_lines(score, seeds, metric, VALIDATION)
    best = [_best(seed, metric, choose) for seed in seeds]
    score.plot(*zip(*best, strict=True), "D", color=INK, ms=4, zorder=3)
    score.set_title("◆ best epoch of each seed" if len(seeds) > 1 else "◆ best epoch", loc="right")
    label_axes(score, "epoch", label)
    for ax in (losses, score):
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1))
    return figure
