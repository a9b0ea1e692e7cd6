import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_array

from stackstudy.evaluation import raw_tags
from stackstudy.evaluation.bootstrap import paired_bootstrap
from stackstudy.evaluation.predictions import Predictions
from stackstudy.evaluation.tables import summary
from stackstudy.questions.schema import row_hash

TAGS = list("abcdef")
GIVEN = [["a", "b"], ["a"], ["b", "c", "never"], ["f", "rare"], ["a", "rare", "never", "b", "c", "d"], ["rare"]]
SPLITS = ["train", "validation", "test", "test", "test", "test"]


@pytest.fixture
def questions() -> pl.DataFrame:
    ids = np.arange(1, 7)
    return pl.DataFrame({"question_id": ids, "site": "toy", "tags": GIVEN, "body": "text", "split": SPLITS})


@pytest.fixture
def labels() -> csr_array:
    return csr_array(np.array([[tag in given for tag in TAGS] for given in GIVEN]))


def predictions(questions: pl.DataFrame, system: str, order: str) -> Predictions:
    """The tags in `order`, the surest first, for every question."""
    values = np.tile([1 - order.index(tag) / 10 for tag in TAGS], (5, 1))
    return Predictions(system, "tags", row_hash(questions), np.arange(1, 6), [0], values[None])


def test_hits_are_counted_against_all_tags_that_were_given(questions, labels):
    point = raw_tags.raw_systems([predictions(questions, "abc", "abcdef")], questions, labels)["abc"][0].point()
    # Hits of a, b, c among b c never | f rare | a rare never b c d | rare.
    assert point["precision_at_3"] == pytest.approx((2 / 3 + 0 + 3 / 3 + 0) / 4)
    assert point["recall_at_3"] == pytest.approx((2 / 3 + 0 + 3 / 6 + 0) / 4)
    assert point["recall_capped_at_3"] == pytest.approx((2 / 3 + 0 + 3 / 3 + 0) / 4)
    assert point["f1_at_3"] == pytest.approx((4 / 6 + 0 + 6 / 9 + 0) / 4)
    assert point["f1_capped_at_3"] == pytest.approx((4 / 6 + 0 + 6 / 6 + 0) / 4)
    assert point["recall_at_1"] == pytest.approx(1 / 6 / 4)
    assert point["recall_capped_at_1"] == pytest.approx(1 / 4)


def test_nothing_is_better_than_what_is_possible(questions, labels):
    systems = raw_tags.raw_systems([predictions(questions, "abc", "abcdef")], questions, labels)
    best, found = (systems[name][0].point() for name in (raw_tags.POSSIBLE, "abc"))
    assert all(best[metric] >= found[metric] for metric in raw_tags.NAMES)
    assert best["recall_at_5"] == pytest.approx((2 / 3 + 1 / 2 + 4 / 6 + 0) / 4)


def test_equal_scores_are_ranked_by_the_order_of_the_tags():
    truth = np.eye(1, 6, 0, dtype=bool)
    assert raw_tags.row_sums(np.zeros((1, 6)), truth, np.array([1])).point()["precision_at_1"] == 1


def test_without_rare_tags_questions_of_these_alone_are_left_out(questions, labels):
    kept = raw_tags.kept_only(predictions(questions, "abc", "abcdef"), questions, labels, 20, 0).row(0, named=True)
    assert kept["recall_at_3"] == pytest.approx((2 / 2 + 0 + 3 / 4) / 3)
    assert kept["precision_at_3"] == pytest.approx((2 / 3 + 0 + 3 / 3) / 3)


def test_a_table_has_each_convention_with_its_interval(questions, labels):
    own = predictions(questions, "abc", "abcdef")
    table = summary(paired_bootstrap(raw_tags.raw_systems([own], questions, labels), 20, 0))
    shown = raw_tags.conventions(table, raw_tags.kept_only(own, questions, labels, 20, 0))
    assert shown.height == 4 * raw_tags.TOP
    row = shown.row(2, named=True)
    assert (row["tags"], row["recall_divides_by"], row["k"]) == ("all", "tags given", 3)
    assert row["recall_low"] <= row["recall"] <= row["recall_high"]
    divisors = shown.filter(tags="all", k=1).sort("recall")["recall_divides_by"].to_list()
    assert divisors == ["tags given", "at most k"]


def test_the_best_is_chosen_on_validation_rows(questions, labels):
    both = [predictions(questions, name, order) for name, order in (("late", "fedcba"), ("early", "abcdef"))]
    assert raw_tags.best_system(both, questions, labels).system == "early"


def test_coverage_counts_what_askers_gave(questions):
    tags = pl.DataFrame({"tag": ["a", "b", "c", "f", "rare"], "count": [7, 7, 4, 4, 1]})
    covered = raw_tags.coverage(tags, questions, 4)
    assert covered["minimum_count"].to_list() == [1, 2, 3, 4, 5, 10, 20, 50, 100]
    row = covered.row(3, named=True)
    assert (row["tags"], row["uses"]) == (4, pytest.approx(6 / 12))
    assert (row["complete"], row["without"]) == (0, 1 / 4)
    table = pl.DataFrame({"system": ["x"], "f1_at_5": [0.5]})
    numbers = raw_tags.raw_numbers(table, table, covered, 4, questions)
    assert numbers["cut"]["never_seen"] == pytest.approx(3 / 12)
    assert numbers["test"] == {"questions": 4, "uses": 12, "tags_per_question": 3}


def test_too_few_tags_are_refused():
    with pytest.raises(ValueError, match="4 tags are too few"):
        raw_tags.row_sums(np.ones((1, 4)), np.ones((1, 4), bool), np.array([4]))
