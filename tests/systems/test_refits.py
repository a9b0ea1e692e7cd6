from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_array

from stackstudy.evaluation.audit import NOTHING, RAISES, effects
from stackstudy.evaluation.audit_rows import near_duplicates, values_on_splits
from stackstudy.params import TagsBaselines
from stackstudy.systems import refits
from stackstudy.systems.data import TagData

NEIGHBOURS = TagsBaselines(
    profile="smoke", experiment="11", seeds=(0,), neighbours=(1,), inverse_penalties=(1.0,), max_features=10
)


def with_groups(data: TagData, groups: np.ndarray) -> TagData:
    titles = {"title": data.streams["body"], **data.streams}
    return replace(data, questions=data.questions.with_columns(group=pl.Series(groups)), streams=titles)


@pytest.fixture
def unique(data) -> TagData:
    return with_groups(data, np.arange(400))


@pytest.fixture
def twins(data) -> TagData:
    """Pairs of questions with the same vector and the same labels, which nothing but the twin gives away."""
    random = np.random.default_rng(3)
    first = np.repeat(np.arange(0, 400, 2), 2)
    labels, body = random.random((400, 5)) < 0.3, random.normal(size=(400, 16)).astype(np.float16)
    found = replace(data, space=replace(data.space, labels=csr_array(labels[first])), streams={"body": body[first]})
    return with_groups(found, first)


def test_splits_by_question_and_by_group_differ_in_the_duplicates_alone(twins, unique):
    by_question, by_group = (refits.resplit(twins, 7, by_group=groups).questions["split"] for groups in (False, True))
    assert by_group[::2].to_list() == by_group[1::2].to_list()
    assert by_question[::2].to_list() == by_group[::2].to_list()
    assert by_question[1::2].to_list() != by_group[1::2].to_list()
    same = [refits.resplit(unique, 7, by_group=groups).questions["split"].to_list() for groups in (False, True)]
    assert same[0] == same[1] != unique.questions["split"].to_list()


def splits_of(data: TagData, by_group: bool) -> list:
    return refits.on_splits(data, lambda part: refits.nearest(part, NEIGHBOURS), 4, by_group=by_group)


def test_twins_on_both_sides_of_the_split_are_found_out(twins):
    row = near_duplicates(splits_of(twins, False), splits_of(twins, True), twins.space)
    (found,) = effects([row], 500, 0).to_dicts()
    assert found["verdict"] == RAISES
    assert found["effect"] > 0.1


def test_without_near_duplicates_the_grouping_changes_nothing(unique):
    row = near_duplicates(splits_of(unique, False), splits_of(unique, True), unique.space)
    (found,) = effects([row], 500, 0).to_dicts()
    assert (found["effect"], found["effect_low"], found["effect_high"], found["verdict"]) == (0, 0, 0, NOTHING)
    assert found["published"] > 0.5


def test_ridge_learns_scores_from_the_vectors(unique):
    found = values_on_splits(refits.on_splits(unique, refits.vector_ridge, 3), "r2")
    assert found.min() > 0.5
    assert np.ptp(found) > 0
