"""The audit in one figure: what each habit of the published study does to a number."""

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from stackstudy.evaluation.audit import NOTHING
from stackstudy.figures.data import table
from stackstudy.figures.drawing import label_axes, name_rows, plain, write_right
from stackstudy.figures.style import BLUE, FULL, INK, MUTED, VERMILION, canvas, styled

LINEAR = 0.01  # the axis is linear up to here and logarithmic beyond
FOUND = {"marker": "o", "ms": 4.5, "mfc": VERMILION, "color": VERMILION, "label": "effect"}
NOT_FOUND = {"marker": "o", "ms": 4.5, "mfc": "white", "color": INK, "label": NOTHING}
SCATTER = {"lw": 4, "color": BLUE, "alpha": 0.35, "label": "95 % of pairs of runs that are alike"}


@styled
def effects(effects: pl.DataFrame, spreads: pl.DataFrame) -> Figure:
    """Each row of `evaluation.audit.effects` with its 95 % interval, over the scatter of runs that differ in nothing.

    `spreads` as `evaluation.audit.spread` returns it; drawn are those by a metric that a row has, which may be none.
    """
    columns = (
        "point",
        "name",
        "metric",
        "measure",
        "published",
        "corrected",
        "effect",
        "effect_low",
        "effect_high",
        "verdict",
    )
    rows = table(effects, columns, "audit")
    scatter = spreads.filter(pl.col("metric").is_in(rows["metric"].to_list()))
    names = [f"{row['point']}  {row['name']}" for row in rows.to_dicts()]
    names += [f"{row['system']}, other {row['over']}" for row in scatter.to_dicts()]
    figure, ax = canvas(FULL, 1.1 + 0.19 * len(names))
    name_rows(ax, names, 40)
    ax.axvline(0, color=MUTED, lw=0.7, zorder=0)
    for place, row in enumerate(rows.to_dicts()):
        look = NOT_FOUND if row["verdict"] == NOTHING else FOUND
        ax.hlines(place, row["effect_low"], row["effect_high"], color=look["color"], lw=1.2)
        ax.plot(row["effect"], place, **look)
    for place, row in enumerate(scatter.to_dicts(), len(rows)):
        ax.hlines(place, -row["apart"], row["apart"], **SCATTER)
    _signed_log(ax)
    label_axes(ax, "published minus corrected (logarithmic beyond ±0.01)", "published habit")
    at = np.arange(len(names))
    write_right(ax, "metric", at, [*rows["measure"], *scatter["measure"]])
    for name, away in (("published", 60), ("corrected", 104)):
        write_right(ax, name, at[: len(rows)], [f"{value:.3f}".replace("-", "−") for value in rows[name]], away)
    handles = [Line2D([], [], ls="none", **look) for look in (FOUND, NOT_FOUND)]
    handles += [Line2D([], [], **SCATTER)] if len(scatter) else []
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    return figure


def _signed_log(ax: Axes) -> None:
    """Make the x axis logarithmic on both sides of zero, with as many powers of ten as there are."""
    low, high = ax.get_xlim()
    reach = max(-low, high, 2 * LINEAR)
    ax.set_xscale("symlog", linthresh=LINEAR, linscale=0.7)
    ax.set_xlim(-reach, reach)
    steps = [step for step in (0.01, 0.1, 1, 10, 100) if max(LINEAR, reach / 200) <= step <= reach]
    ax.xaxis.set_major_locator(FixedLocator([*(-step for step in steps[::-1]), 0, *steps]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(plain))
