"""What the corpus looks like: scores, tags, lengths, time to an answer."""

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator
from numpy.typing import ArrayLike

from stackstudy.figures.data import numbers, table
from stackstudy.figures.drawing import (
    label_axes,
    log_histogram,
    mark_values,
    percent,
    plain,
    plain_log,
    score_axis,
    score_edges,
    shorten,
)
from stackstudy.figures.style import BLUE, FULL, HALF, INK, PALE, VERMILION, canvas, styled

QUARTILES = {"lower quartile": 0.25, "median": 0.5, "upper quartile": 0.75}
TIMES = {1 / 60: "1 min", 1: "1 h", 24: "1 day", 24 * 7: "1 week", 24 * 30: "1 month", 24 * 365: "1 year"}


@styled
def score_distribution(scores: ArrayLike) -> Figure:
    """Histogram of question scores (n,) on a signed-log axis, with quartiles and the shares around zero."""
    values = numbers(scores, "score distribution")
    figure, ax = canvas(FULL, 2.7)
    edges = score_edges(values.min(), values.max())
    signs = (("negative", values < 0, VERMILION), ("zero", values == 0, PALE), ("positive", values > 0, BLUE))
    for row, (name, chosen, color) in enumerate(signs):
        ax.hist(values[chosen], bins=edges, color=color, edgecolor="white", lw=0.3)
        share = f"{percent(chosen.mean())} {name}"
        ax.text(1.01, 0.95 - 0.1 * row, share, transform=ax.transAxes, va="top")
    score_axis(ax.xaxis, edges[0], edges[-1])
    ax.set_yscale("log")
    ax.set_xlim(edges[0], edges[-1])
    ax.set_ylim(0.7, None)
    plain_log(ax.yaxis)
    mark_values(ax, {name: float(np.quantile(values, share)) for name, share in QUARTILES.items()})
    label_axes(
        ax,
        f"score (votes, signed-log scale); smallest {plain(values.min())}, largest {plain(values.max())}",
        "questions in bar",
    )
    return figure


@styled
def tag_frequencies(tags: pl.DataFrame) -> Figure:
    """Rank-frequency plot of tags: `tags` has the columns tag and count, one row a tag, in any order."""
    ranked = table(tags, ("tag", "count"), "tag frequencies").sort(["count", "tag"], descending=[True, False])
    ranked = ranked.filter(pl.col("count") > 0)
    counts = numbers(ranked["count"], "tag frequencies, tags that occur")
    ranks = np.arange(1, counts.size + 1)
    figure, ax = canvas(FULL, 2.7)
    ax.plot(ranks, counts, "o", color=BLUE, ms=2.5, mew=0, rasterized=True)  # thousands of points
    ax.set_ylim(counts.min() / 2, counts.max() * 1.6)
    plain_log(ax.xaxis)
    plain_log(ax.yaxis)
    named = np.unique(np.floor(np.geomspace(1, counts.size, 7)).astype(int))
    for rank in named:
        left = rank**2 <= counts.size  # the curve falls: there is room above its left half and below its right half
        ax.annotate(
            shorten(ranked["tag"][int(rank) - 1]),
            (rank, counts[rank - 1]),
            xytext=(4, 2) if left else (-4, -3),
            textcoords="offset points",
            ha="left" if left else "right",
            va="bottom" if left else "top",
            arrowprops={"arrowstyle": "-", "color": INK, "lw": 0.5, "shrinkA": 0, "shrinkB": 0},
        )
    label_axes(ax, "rank of tag (log scale)", "questions with tag (log scale)")
    return figure


@styled
def tags_per_question(counts: ArrayLike) -> Figure:
    """Share of questions by their number of tags; `counts` (n,) holds one number a question."""
    values, sizes = np.unique(numbers(counts, "tags per question"), return_counts=True)
    shares = sizes / sizes.sum()
    figure, ax = canvas(HALF, 2.3)
    ax.bar(values, 100 * shares, width=0.8, color=BLUE)
    if values.size <= 6:
        for value, share in zip(values, shares, strict=True):
            ax.text(value, 100 * share, percent(share), ha="center", va="bottom")
    ax.set_xlim(values.min() - 0.7, values.max() + 0.7)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1))
    label_axes(ax, "tags of the question", "questions (%)")
    return figure


@styled
def body_lengths(words: ArrayLike) -> Figure:
    """Histogram of body lengths in words (n,) on a log axis, with median and 95th percentile."""
    values = numbers(words, "body lengths")
    figure, ax = canvas(HALF, 2.3)
    log_histogram(ax, values, 1, "1", "words in body")
    marks = {"median": float(np.median(values)), "95 % up to": float(np.quantile(values, 0.95))}
    mark_values(ax, marks, floor=1)
    ax.set_ylabel("questions (%)")
    return figure


def _duration(hours: float) -> str:
    """Write a duration in the largest unit of which it holds one or more."""
    for length, name in reversed(TIMES.items()):
        if hours >= length:
            return f"{hours / length:.1f} {name.removeprefix('1 ')}"
    return "under 1 min"


@styled
def answer_time(hours: ArrayLike) -> Figure:
    """Histogram of the hours to the accepted answer (n,) on a log axis; under a minute is drawn at a minute."""
    values = numbers(hours, "time to the accepted answer")
    figure, ax = canvas(FULL, 2.3)
    log_histogram(ax, values, 1 / 60, "1 min", "time to the accepted answer")
    mark_values(ax, {"median": float(np.median(values))}, _duration, floor=1 / 60)
    ax.xaxis.set_major_locator(FixedLocator(list(TIMES)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: TIMES.get(value, "")))
    ax.set_ylabel("questions (%)")
    return figure
