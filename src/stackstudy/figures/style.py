"""One look for every figure of the report, the same on every machine: theme, palette, sizes."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from itertools import cycle, islice
from typing import Any, NamedTuple, ParamSpec

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure

P = ParamSpec("P")

FULL, HALF = 6.3, 3.1  # inches: the text width of the report, and two side by side
FONT_SIZE = 8.0  # points at final size; nothing is smaller

# Okabe & Ito's colours, which stay apart for colour-blind readers; blue and orange also differ in grey.
INK, MUTED, PALE = "#222222", "#6E6E6E", "#B4B4B4"
BLUE, ORANGE, VERMILION = "#0072B2", "#E69F00", "#D55E00"
SEQUENTIAL = "mako_r"  # lightness falls steadily, so it reads in grey


class Line(NamedTuple):
    """How one series is drawn; colour is never the only difference."""

    color: str
    linestyle: Any
    marker: str


LINES = (
    Line(BLUE, "-", "o"),
    Line(ORANGE, "-", "s"),
    Line(INK, "--", "^"),
    Line("#009E73", "-.", "D"),
    Line("#CC79A7", "-", "v"),
    Line("#56B4E9", "--", "P"),
    Line(VERMILION, ":", "X"),
    Line(MUTED, "-", "<"),
)

THEME = {
    **sns.axes_style("ticks"),
    # Ships with matplotlib. Named outright: a generic family would be looked up again wherever the figure is drawn.
    "font.family": "DejaVu Sans",
    "font.size": FONT_SIZE,
    "axes.labelsize": FONT_SIZE,
    "axes.titlesize": FONT_SIZE,
    "xtick.labelsize": FONT_SIZE,
    "ytick.labelsize": FONT_SIZE,
    "legend.fontsize": FONT_SIZE,
    "legend.frameon": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "patch.linewidth": 0,
    "image.cmap": SEQUENTIAL,
    "figure.dpi": 110,
    "figure.constrained_layout.w_pad": 0.03,
    "figure.constrained_layout.h_pad": 0.03,
}


def theme() -> AbstractContextManager[None]:
    """Context in which plots have the report's look, whatever matplotlibrc the reader has."""
    return plt.style.context(THEME, after_reset=True)


def canvas(width: float, height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Figure, Any]:
    """Return a figure of `width` x `height` inches and its axes, as ``plt.subplots`` does.

    pyplot forgets the figure at once: a notebook then shows it once, where it is returned, and none stays in memory.
    """
    figure, axes = plt.subplots(rows, columns, figsize=(width, height), layout="constrained", **options)
    plt.close(figure)
    return figure, axes


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Make `draw` work under the theme and return its figure settled: it looks the same wherever it is saved."""

    @wraps(draw)
    def themed(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with theme():
            figure = draw(*args, **kwargs)
            for ax in figure.axes:
                ax.tick_params(labelsize=FONT_SIZE)  # else the reader's own settings decide how many ticks there are
            figure.draw_without_rendering()  # ticks take the rest of their look when first drawn
            figure.set_layout_engine("none")  # every later drawing, PNG or SVG, has this layout
        return figure

    return themed


def lines(count: int) -> list[Line]:
    return list(islice(cycle(LINES), count))
