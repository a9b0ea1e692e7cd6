"""Raw tags: how much of them the k surest find, and how many can be predicted at all."""

from itertools import chain

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from stackstudy.evaluation.raw_tags import TOP
from stackstudy.figures.data import table
from stackstudy.figures.drawing import draw_lines, end_labels, label_axes, mark_values, plain
from stackstudy.figures.style import FULL, HALF, canvas, lines, styled

PANELS = {"precision": "precision", "recall": "recall (of all tags given)", "f1": "F1"}
SHARES = {"uses": "tags covered", "complete": "questions covered fully", "without": "questions not covered"}


@styled
def at_k(summary: pl.DataFrame) -> Figure:
    """Precision, recall and F1 of each system by the number of tags named; `summary` has a row a system.

    Columns system, and ``<metric>_at_1`` to ``<metric>_at_5`` of the metrics in `PANELS`.
    """
    ranks = np.arange(1, TOP + 1)
    columns = {metric: [f"{metric}_at_{k}" for k in ranks] for metric in PANELS}
    rows = table(summary, ("system", *chain(*columns.values())), "raw tags by k")
    looks = lines(len(rows))
    figure, axes = canvas(FULL, 2.5, 1, len(PANELS))
    for ax, (metric, title) in zip(axes, PANELS.items(), strict=True):
        values = rows.select(columns[metric]).to_numpy()
        for line, look in zip(values, looks, strict=True):
            ax.plot(ranks, line, color=look.color, ls=look.linestyle, marker=look.marker)
        ax.set(xticks=ranks, ylim=(0, 1))
        ax.set_title(title, loc="left")
        label_axes(ax, "tags named (k)", "")
    end_labels(axes[-1], rows["system"].to_list(), [(TOP, line[-1]) for line in values], looks)
    return figure


@styled
def coverage(covered: pl.DataFrame, minimum_count: int) -> Figure:
    """What of the test questions' tags is on so many training questions, as `evaluation.raw_tags.coverage` returns it.

    The cut of the systems is marked.
    """
    rows = table(covered, ("minimum_count", *SHARES), "coverage of raw tags")
    cuts = rows["minimum_count"].to_numpy()
    figure, ax = canvas(HALF + 1.2, 2.5)
    ax.set_xscale("log")
    draw_lines(ax, {name: (cuts, rows[column].to_numpy()) for column, name in SHARES.items()}, len(cuts))
    ax.xaxis.set_major_locator(FixedLocator(cuts))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticks(cuts, [plain(cut) for cut in cuts])
    ax.set_ylim(0, 1)
    mark_values(ax, {"cut": minimum_count})
    label_axes(ax, "training questions that a tag is on, at least (log scale)", "share on test")
    return figure
