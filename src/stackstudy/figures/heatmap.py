"""A square matrix with named rows, for similarities and confusions."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from stackstudy.figures.drawing import label_axes, shorten
from stackstudy.figures.style import FULL, canvas

NAME_HEIGHT = 0.133  # inches from one name to the next
ONE_SIDE, BOTH_SIDES = 45, 110  # names that fit on one side of a page, and on both


def _name_rows(ax: Axes, names: Sequence[str], step: int) -> None:
    """Name every `step`-th row on the left, or on both sides in turn when there are many."""
    shown = np.arange(0, len(names), step)
    left, right = (shown, shown[:0]) if shown.size <= ONE_SIDE else (shown[::2], shown[1::2])
    ax.set_yticks(left, [shorten(names[i], 24) for i in left])
    ax.set_xticks([])
    if right.size:
        other = ax.secondary_yaxis("right")
        other.set_yticks(right, [shorten(names[i], 24) for i in right])
        other.spines["right"].set_visible(False)


def heat_map(matrix: np.ndarray, names: Sequence[str], norm: Normalize, labels: tuple[str, str, str]) -> Figure:
    """Draw `matrix` (k, k) with named rows; `labels` are those of the colours, the columns and the rows."""
    color_label, x_label, y_label = labels
    step = -(-len(names) // BOTH_SIDES)
    name_height = NAME_HEIGHT if len(names) <= ONE_SIDE else NAME_HEIGHT / 2
    figure, ax = canvas(FULL, max(0.8 + name_height * min(len(names), BOTH_SIDES), 2.3))
    image = ax.imshow(matrix, aspect="auto", norm=norm, interpolation="nearest")
    _name_rows(ax, names, step)
    label_axes(ax, x_label, y_label if step == 1 else f"{y_label} (one in {step} is named)")
    figure.colorbar(image, ax=ax, location="top", shrink=0.5, aspect=30, pad=0.01, label=color_label)
    return figure
