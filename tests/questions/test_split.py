import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stackstudy.questions.split import random_split, split_of


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


def test_a_random_split_keeps_groups_together_and_has_the_same_shares():
    groups = np.arange(20_000) // 2
    split = random_split(groups, 5)
    assert (split[::2] == split[1::2]).all()
    assert abs((split == "train").mean() - 0.70) < 0.01
    assert abs((split == "test").mean() - 0.15) < 0.01
    assert (split == random_split(groups, 5)).all()
    assert (split != random_split(groups, 6)).any()


def test_random_splits_of_two_groupings_differ_in_nothing_else():
    groups = np.array([7, 3, 9, 3, 1, 7])
    alone, together = random_split(np.arange(6), 0), random_split(groups, 0)
    assert alone[[0, 1, 2, 4]].tolist() == together[[0, 1, 2, 4]].tolist()
    assert together[3] == together[1]
    assert together[5] == together[0]
