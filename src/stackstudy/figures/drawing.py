"""Pieces that several figures share: axes, histograms, direct labels."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator
from scipy.optimize import isotonic_regression

from stackstudy.figures.style import BLUE, FONT_SIZE, INK, MUTED, Line, lines

LINE_SPACING = 1.3 * FONT_SIZE  # points


def plain(value: float, _position: object = None) -> str:
    """Write a number for people: 12,000, −3, 0.25."""
    text = f"{value:,.0f}" if float(value).is_integer() else f"{value:,.3g}"
    return text.replace("-", "−")


def compact(value: float, position: object = None) -> str:
    """Write a number for a log axis: 1, 100, 10k, 1M."""
    for unit, suffix in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return plain(value / unit) + suffix
    return plain(value)


def percent(share: float) -> str:
    """Write a share of 1 as a percentage that does not round a few to none."""
    return "< 1 %" if 0 < share < 0.01 else "> 99 %" if 0.99 < share < 1 else f"{100 * share:.0f} %"


def shorten(name: str, length: int = 30) -> str:
    return name if len(name) <= length else f"{name[: length - 1]}…"


def label_axes(ax: Axes, x: str, y: str) -> None:
    ax.set_xlabel(x)
    ax.set_ylabel(y)


def plain_log(axis: Axis, ticks: int = 7) -> None:
    """Make `axis` logarithmic with plain numbers at a few powers of ten (1, 2, 5 too when it spans under two)."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    low, high = axis.get_view_interval()
    subs = (1.0, 2.0, 5.0) if high / low < 100 else (1.0,)
    axis.set_major_locator(LogLocator(subs=subs, numticks=ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(compact))


def score_edges(low: float, high: float) -> np.ndarray:
    """Return bin edges for scores `low` to `high`: half-integers, one bin a score near 0, then about six a decade."""

    def side(limit: float) -> np.ndarray:
        if limit <= 0.5:
            return np.array([0.5])
        # One step past the limit, so that the limit itself lies inside the last bin.
        steps = np.arange(6 * np.log10(max(limit, 1)) + 2)
        reached = np.unique(np.floor(10 ** (steps / 6)))
        return np.append(0.5, reached[: np.searchsorted(reached, limit) + 1] + 0.5)

    return np.concatenate([-side(-low)[::-1], side(high)])


def score_axis(axis: Axis, low: float, high: float) -> None:
    """Make `axis` a signed-logarithmic score axis (linear between −1 and 1) over `low` to `high`."""
    set_scale = axis.axes.set_xscale if axis.axis_name == "x" else axis.axes.set_yscale
    set_scale("symlog", linthresh=1, linscale=0.5)
    decades = [10**k for k in range(8)]
    ticks = [-d for d in decades[::-1]] + [0] + decades
    axis.set_major_locator(FixedLocator([t for t in ticks if low <= t <= high]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(compact))


def log_histogram(ax: Axes, values: np.ndarray, floor: float, floor_name: str, label: str) -> None:
    """Draw the share of `values` in each bin of a logarithmic axis, named `label`.

    A log axis has no place for zero: what lies below `floor` is drawn at it, and the axis says how many.
    """
    drawn = np.maximum(values, floor)
    first, last = (np.floor(10 * np.log10(limit)) for limit in (drawn.min(), drawn.max()))
    edges = 10 ** (np.arange(first, last + 2) / 10)  # ten bins a decade
    edges[-1] *= 1 + 1e-12  # rounding must not push the largest value out
    ax.hist(drawn, bins=edges, weights=np.full(drawn.size, 100 / drawn.size), color=BLUE, edgecolor="white", lw=0.3)
    plain_log(ax.xaxis)
    below = int((values < floor).sum())
    ax.set_xlabel(f"{label} (log scale)" + (f"\n{below:,} below {floor_name} are drawn there" if below else ""))


def remark(ax: Axes, text: str) -> None:
    """Write a short remark above the axes, right-aligned."""
    ax.set_title(text, loc="right", color=MUTED)


def mark_values(
    ax: Axes, marks: dict[str, float], show: Callable[[float], str] = plain, floor: float = -np.inf
) -> None:
    """Mark values of the x axis by thin lines, named above the axes on a staircase; equal values share a line.

    Values below `floor` are marked at it.
    """
    names: dict[float, list[str]] = {}
    for name, value in marks.items():
        names.setdefault(value, []).append(name)
    for step, value in enumerate(sorted(names, reverse=True)):
        # The rightmost name is the lowest, so that no line runs through a name to its left.
        rise = 2 + step * LINE_SPACING
        ax.axvline(max(value, floor), color=INK, lw=0.7)
        foot = {"xy": (max(value, floor), 1), "xycoords": ax.get_xaxis_transform(), "textcoords": "offset points"}
        ax.annotate(f"{' = '.join(names[value])} {show(value)}", xytext=(2, rise), annotation_clip=False, **foot)
        stroke = {"arrowstyle": "-", "color": INK, "lw": 0.7, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", xytext=(0, rise + FONT_SIZE), arrowprops=stroke, annotation_clip=False, **foot)


def spread(positions: np.ndarray, gap: float) -> np.ndarray:
    """Move `positions` (n,) as little as possible (least squares) so that neighbours are at least `gap` apart."""
    order = np.argsort(positions, kind="stable")
    steps = gap * np.arange(positions.size)
    moved = np.empty(positions.size)
    moved[order] = isotonic_regression(np.asarray(positions, float)[order] - steps).x + steps
    return moved


def end_labels(ax: Axes, names: Sequence[str], ends: Sequence[tuple[float, float]], looks: Sequence[Line]) -> None:
    """Name each line at the right of the axes, level with its end (x, y) where there is room, beside a sample of it."""
    ax.autoscale_view()
    levels = (ax.transScale + ax.transLimits).transform(ends)[:, 1]
    panels = ax.get_subplotspec().get_gridspec().nrows
    gap = LINE_SPACING * panels / (72 * ax.figure.get_figheight() * 0.78)  # the axes take about 78 % of the height
    leader = {"arrowstyle": "-", "color": MUTED, "lw": 0.4, "shrinkA": 0, "shrinkB": 0, "relpos": (0, 0.5)}
    beside = {"textcoords": "axes fraction", "va": "center", "annotation_clip": False}
    for name, end, level, look in zip(names, ends, spread(levels, gap), looks, strict=True):
        ax.annotate("", end, xytext=(1.04, level), arrowprops=leader, **beside)
        ax.annotate(shorten(name), (1.09, level), (5, 0), "axes fraction", "offset points", va="center")
        sample = {"color": look.color, "ls": look.linestyle, "marker": look.marker, "markevery": [1]}
        ax.plot([1.04, 1.065, 1.09], [level] * 3, transform=ax.transAxes, clip_on=False, **sample)


def draw_lines(ax: Axes, curves: dict[str, tuple[np.ndarray, np.ndarray]], points: int) -> None:
    """Draw named curves (x, y), each in its own look with about `points` markers, and its name at its end."""
    looks = lines(len(curves))
    for (x, y), look in zip(curves.values(), looks, strict=True):
        every = -(-len(x) // points)
        ax.plot(x, y, color=look.color, ls=look.linestyle, marker=look.marker, markevery=every)
    ax.margins(x=0.01)
    end_labels(ax, list(curves), [(x[-1], y[-1]) for x, y in curves.values()], looks)


def name_rows(ax: Axes, names: Sequence[str], length: int = 30) -> None:
    """Give one row a name, the first on top, with faint guides."""
    ax.set_yticks(np.arange(len(names)), [shorten(name, length) for name in names])
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_axisbelow(True)
    ax.grid(axis="y", lw=0.5)


def write_right(ax: Axes, heading: str, rows: Sequence[float], texts: Sequence[str], shift: float = 0) -> None:
    """Write a column of `texts` to the right of the axes, `shift` points away from them, under `heading`."""
    away = {"xytext": (shift, 0), "textcoords": "offset points", "annotation_clip": False}
    for row, text in zip(rows, texts, strict=True):
        ax.annotate(text, (1.02, row), xycoords=ax.get_yaxis_transform(), va="center", **away)
    ax.annotate(heading, (1.02, 1.0), xycoords="axes fraction", va="bottom", color=MUTED, **away)
