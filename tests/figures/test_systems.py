import numpy as np
import polars as pl
import pytest

from stackstudy.figures.style import styled
from stackstudy.figures.systems import dots_and_intervals

draw = styled(dots_and_intervals)
FORM = ("f1", "F1", "{:.3f}", True)


def summary(values: dict[str, float]) -> pl.DataFrame:
    value = np.array(list(values.values()))
    return pl.DataFrame({"system": list(values), "f1": value, "f1_low": value - 0.02, "f1_high": value + 0.01})


def test_both_protocols_share_a_row_and_the_corrected_one_decides_on_the_order(check_figure):
    figure = draw(summary({"a": 0.5, "b-published": 0.9, "b": 0.6, "c-published": 0.55}), *FORM)
    check_figure(figure)
    (ax,) = figure.axes
    assert [text.get_text() for text in ax.get_yticklabels()] == ["b", "c-published", "a"]
    corrected, published = (line for line in ax.lines if line.get_label() in ("corrected", "as published"))
    assert list(corrected.get_xdata()) == [0.6, 0.55, 0.5]
    assert list(published.get_xdata()) == [0.9]
    (at,) = published.get_ydata()
    assert 0 < at < 0.5, "in the row of b"
    assert {"0.600", "0.900"} <= {text.get_text() for text in ax.texts}


def test_systems_of_one_protocol_need_no_key():
    figure = draw(summary({"a": 0.5, "b": 0.6}), *FORM)
    assert figure.axes[0].get_legend() is None


@pytest.mark.parametrize("edge", [0.3, 0.55])
def test_values_beyond_the_edge_do_not_stretch_the_axis(edge, check_figure):
    figure = draw(summary({"a": 0.5, "b": 0.6, "floor": 0.01, "b-published": 0.02}), *FORM, edge=edge)
    check_figure(figure)
    assert figure.axes[0].get_xlim()[0] > 0.4
    assert "0.010" in {text.get_text() for text in figure.axes[0].texts}


def test_nineteen_systems_fit(check_figure):
    values = {f"a-network-with-a-name-{i}": 0.5 + 0.01 * i for i in range(14)}
    check_figure(draw(summary(values | {f"{name}-published": 0.7 for name in list(values)[:5]}), *FORM))
