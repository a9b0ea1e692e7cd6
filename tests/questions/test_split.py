import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stackstudy.questions.split import split_of


def test_shares():
    names, counts = np.unique(split_of(np.arange(100_000)), return_counts=True)
    shares = dict(zip(names.tolist(), (counts / 100_000).tolist(), strict=True))
    assert abs(shares["train"] - 0.70) < 0.01
    assert abs(shares["validation"] - 0.15) < 0.01
    assert abs(shares["test"] - 0.15) < 0.01


@given(st.lists(st.integers(0, 2**40), min_size=1))
def test_a_group_is_split_alike_whatever_stands_around_it(groups):
    together = split_of(np.array(groups)).tolist()
    assert together == [split_of(np.array([group]))[0] for group in groups]


def test_it_never_changes():
    assert split_of(np.array([0, 1, 6, 22, 23, 24])).tolist() == ["test", "train", *["validation"] * 2, "test", "train"]
