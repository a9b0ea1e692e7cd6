import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackstudy.figures import drawing

SCORES = st.integers(-(10**6), 10**6)


@given(SCORES, SCORES)
def test_score_edges_cover_the_scores_and_give_zero_a_bin(first, second):
    low, high = sorted((first, second))
    edges = drawing.score_edges(low, high)
    assert edges[0] < min(low, 0)
    assert edges[-1] > max(high, 0)
    assert (np.diff(edges) > 0).all()
    assert {-0.5, 0.5} <= set(edges)


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=12))
def test_spread_keeps_order_and_distance(positions):
    moved = drawing.spread(np.array(positions), 0.5)
    order = np.argsort(positions, kind="stable")
    assert (np.diff(moved[order]) >= 0.5 - 1e-9).all()


def test_spread_leaves_what_has_room():
    assert drawing.spread(np.array([3.0, 1.0, 2.0]), 0.5) == pytest.approx([3, 1, 2])


@pytest.mark.parametrize(
    ("value", "text"), [(12000, "12,000"), (-3, "−3"), (0.25, "0.25"), (0, "0"), (1.5e-5, "1.5e−05")]
)
def test_plain(value, text):
    assert drawing.plain(value) == text


@pytest.mark.parametrize(("value", "text"), [(1000, "1k"), (-20000, "−20k"), (999, "999"), (2e6, "2M")])
def test_compact(value, text):
    assert drawing.compact(value) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0 %"), (0.001, "< 1 %"), (0.5, "50 %"), (0.999, "> 99 %"), (1, "100 %")]
)
def test_percent_never_rounds_to_none_or_all(share, text):
    assert drawing.percent(share) == text
