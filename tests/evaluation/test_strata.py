import numpy as np
import polars as pl
import pytest

from stackstudy.evaluation import tables
from stackstudy.evaluation.predictions import Predictions, rows_of
from stackstudy.evaluation.strata import leaders_by_stratum, side_by_side, strata_of, tags_by_stratum
from stackstudy.questions.schema import row_hash


@pytest.fixture
def predictions(questions, labels) -> list[Predictions]:
    rows, random = rows_of(questions, "validation", "test"), np.random.default_rng(0)
    truth = labels[rows].toarray()
    values = {
        name: np.clip(0.25 + 0.5 * truth + noise * random.normal(size=(2, *truth.shape)), 0, 1)
        for name, noise in (("sharp", 0.1), ("blunt", 0.5))
    }
    return [Predictions(name, "tags", row_hash(questions), rows, [0, 1], each) for name, each in values.items()]


@pytest.fixture
def systems(predictions, questions, labels) -> tables.Systems:
    return tables.tag_systems(predictions, questions, labels)


def test_strata_are_evaluated_apart(questions, systems):
    frame = tags_by_stratum(systems, questions, resamples=50, seed=0)
    assert frame["stratum"].unique(maintain_order=True).to_list() == ["(none)", "a", "b"]
    assert frame.filter(system="blunt")["questions"].sum() == len(rows_of(questions, "test"))
    inside = (questions["stratum"].gather(rows_of(questions, "test")) == "a").fill_null(False).to_numpy()
    expected = np.mean([seed.take(inside).point()["f1_macro"] for seed in systems["blunt"]])
    assert frame.filter(system="blunt", stratum="a")["f1_macro"].item() == pytest.approx(expected)


def test_a_corpus_of_one_sample_has_no_strata(questions, systems):
    alike = questions.with_columns(stratum=pl.lit("a"))
    assert strata_of(alike, rows_of(alike, "test")) is None
    assert tags_by_stratum(systems, alike, 50, 0) is None


def test_strata_stand_side_by_side_the_largest_first(questions, systems):
    frame = tags_by_stratum(systems, questions, 50, 0)
    table = side_by_side(frame, {"first": "blunt", "second": "sharp"}, "f1_weighted")
    assert table.columns[:5] == ["stratum", "questions", "first", "first_low", "first_high"]
    assert table["questions"].is_sorted(descending=True)
    expected = frame.filter(system="sharp", stratum="b")["f1_weighted_high"].item()
    assert table.filter(stratum="b")["second_high"].item() == expected


def test_the_best_of_each_family_are_compared_inside_strata(questions, labels, predictions, systems):
    leaders = {"best": "sharp", "best_network": "sharp", "best_baseline": "blunt"}
    table = leaders_by_stratum(leaders, predictions, questions, labels, "f1_micro", 50, 0)
    expected = side_by_side(
        tags_by_stratum(systems, questions, 50, 0), {"network": "sharp", "baseline": "blunt"}, "f1_micro"
    )
    assert table["network"].to_list() == pytest.approx(expected["network"].to_list())
    assert table.columns[5] == "baseline"
    assert leaders_by_stratum(leaders, predictions, questions.with_columns(stratum=None), labels, "ece", 9, 0) is None
