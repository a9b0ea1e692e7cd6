import io

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure

from stackstudy.figures import style


@style.styled
def line() -> Figure:
    figure, ax = style.canvas(style.HALF, 2)
    ax.plot([1, 2])
    ax.set_ylabel("something")
    return figure


def written(figure: Figure, kind: str) -> bytes:
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "fixed"}):
        figure.savefig(buffer, format=kind, dpi=100, metadata={"Date": None} if kind == "svg" else {})
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_same_file_whatever_the_reader_s_settings(kind):
    with style.theme():
        under_theme = written(line(), kind)
    with mpl.rc_context({"font.size": 20, "font.family": "serif", "axes.linewidth": 5, "ytick.labelsize": 20}):
        assert written(line(), kind) == under_theme


def test_the_theme_and_the_figures_do_not_stay():
    before = dict(mpl.rcParams)
    line()
    assert dict(mpl.rcParams) == before
    assert plt.get_fignums() == []


def test_lines_of_a_palette_differ_by_more_than_colour():
    assert len({look[1:] for look in style.lines(8)}) == 8
    assert style.lines(9)[8] == style.lines(1)[0]
