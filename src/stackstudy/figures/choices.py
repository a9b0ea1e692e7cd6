"""What was chosen on validation rows, and from what."""

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from stackstudy.figures.data import table
from stackstudy.figures.drawing import end_labels, label_axes, plain
from stackstudy.figures.style import BLUE, FULL, HALF, INK, ORANGE, Line, canvas, styled

TRAIN, VALIDATION = Line(ORANGE, "-", "s"), Line(BLUE, "-", "o")


@styled
def boosting_curve(history: pl.DataFrame) -> Figure:
    """Losses by boosting round, a thin line a seed, the round with the lowest validation loss of each seed marked.

    Columns seed, round, train_loss, validation_loss.
    """
    rows = table(history, ("seed", "round", "train_loss", "validation_loss"), "boosting curve").sort("seed", "round")
    seeds = rows.partition_by("seed", maintain_order=True)
    figure, ax = canvas(HALF + 0.8, 2.4)
    ends = {"train": (TRAIN, "train_loss"), "validation": (VALIDATION, "validation_loss")}
    for line, column in ends.values():
        for seed in seeds:
            marker = line.marker if len(seed) == 1 else None
            ax.plot(seed["round"], seed[column], color=line.color, lw=0.8, alpha=0.8, marker=marker)
    best = [seed.row(seed["validation_loss"].arg_min(), named=True) for seed in seeds]
    ax.plot([b["round"] for b in best], [b["validation_loss"] for b in best], "D", color=INK, ms=4, zorder=3)
    longest = max(seeds, key=len)
    last = [(longest["round"][-1], longest[column][-1]) for _, column in ends.values()]
    end_labels(ax, list(ends), last, [line for line, _ in ends.values()])
    ax.set_title("◆ lowest validation loss", loc="right")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1))
    label_axes(ax, "boosting round", "loss")
    return figure


@styled
def f1_by_setting(history: pl.DataFrame, settings: dict[str, str]) -> Figure:
    """Validation F1 of every setting that was tried, a panel a system, with the chosen one marked.

    `history` has the columns system, setting, validation_f1_micro; `settings` names the setting of each system.
    """
    tried = history.filter(pl.col("system").is_in(settings))
    rows = table(tried, ("system", "setting", "validation_f1_micro"), "F1 by setting")
    figure, axes = canvas(FULL, 2.1, 1, len(settings), sharey=True, squeeze=False)
    for ax, (system, name) in zip(axes[0], settings.items(), strict=True):
        panel = rows.filter(pl.col("system") == system).sort("setting")
        x, y = panel["setting"].to_numpy(), panel["validation_f1_micro"].to_numpy()
        ax.plot(x, y, "o-", color=BLUE)
        ax.plot(x[y.argmax()], y.max(), "D", color=INK, ms=5)
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(FixedLocator(x))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set_xticks(x, [plain(np.float64(f"{value:.3g}")) for value in x])
        ax.set_title(system, loc="left")
        label_axes(ax, f"{name} (log scale)", "validation F1 (micro)" if ax is axes[0, 0] else "")
    return figure
