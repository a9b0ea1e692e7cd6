"""What every figure must be: the report's size, labelled, legible, nothing cut off or written over."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from stackstudy.figures.style import FONT_SIZE, FULL, HALF

TALLEST = 8.6  # inches: a page with room for a caption


def shown_texts(figure: Figure) -> list[Text]:
    """Return the texts that are drawn; ticks outside the view are not."""
    hidden = set()
    for ax in figure.findobj(lambda artist: hasattr(artist, "get_xaxis")):
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            slack = 1e-9 * max(abs(low), abs(high))
            for tick in axis.get_major_ticks() + axis.get_minor_ticks():
                if not low - slack <= tick.get_loc() <= high + slack:
                    hidden |= {tick.label1, tick.label2}
    texts = figure.findobj(Text)
    return [text for text in texts if text.get_text().strip() and text.get_visible() and text not in hidden]


def overlaps(texts: list[Text]) -> list[tuple[str, str]]:
    boxes = np.array([text.get_window_extent().extents for text in texts])
    left, bottom, right, top = (boxes[:, i] for i in range(4))
    slack = 1.5  # pixels: boxes are a little larger than the ink
    meet_x = np.minimum.outer(right, right) - np.maximum.outer(left, left) > slack
    meet_y = np.minimum.outer(top, top) - np.maximum.outer(bottom, bottom) > slack
    return [(texts[i].get_text(), texts[j].get_text()) for i, j in np.argwhere(meet_x & meet_y) if i < j]


@pytest.fixture
def check_figure() -> Callable[[Figure], None]:
    def check(figure: Figure) -> None:
        assert isinstance(figure, Figure)
        width, height = figure.get_size_inches()
        assert width in (FULL, HALF)
        assert 0.8 <= height <= TALLEST
        assert any(ax.get_xlabel() for ax in figure.axes)
        assert all(ax.get_ylabel() for ax in figure.axes if ax.get_label() != "<colorbar>")
        texts = shown_texts(figure)
        assert min(text.get_fontsize() for text in texts) >= FONT_SIZE
        assert overlaps(texts) == []
        box = figure.get_tightbbox()
        assert min(box.x0, box.y0) > -0.02, "something is cut off"
        assert max(box.x1 - width, box.y1 - height) < 0.02, "something is cut off"

    return check


@pytest.fixture
def png_bytes() -> Callable[[Figure], bytes]:
    def render(figure: Figure) -> bytes:
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=60)
        return buffer.getvalue()

    return render


LONG = ("asp.net-web-api-that-goes-on-and-on", "windows-presentation-foundation", "c#", "x", "validation")


@pytest.fixture
def names() -> Callable[[int], list[str]]:
    """Return a maker of `k` different names, some of them long."""
    return lambda k: [f"{LONG[i % len(LONG)]}-{i}" for i in range(k)]


@pytest.fixture
def heavy_scores() -> np.ndarray:
    """Return 2,000 scores as they come: many zeros, a few negatives, one enormous."""
    rng = np.random.default_rng(3)
    scores = np.round(np.exp(rng.normal(1, 1.8, 2000)) - 1)
    scores[:600], scores[600:700], scores[700] = 0, -rng.integers(1, 20, 100), 27487
    return scores
