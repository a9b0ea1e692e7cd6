import numpy as np
import polars as pl
import pytest

from stackstudy.evaluation import labels as of_labels
from stackstudy.evaluation.predictions import Predictions, rows_of
from stackstudy.questions.schema import row_hash

NAMES = [f"label {i}" for i in range(8)]


def system(name: str, questions, truth: np.ndarray) -> Predictions:
    """Predictions for two seeds that are certain of what `truth` (all rows, k) says."""
    rows = rows_of(questions, "validation", "test")
    return Predictions(name, "tags", row_hash(questions), rows, [0, 1], np.stack([truth[rows]] * 2))


@pytest.fixture
def noisy(questions, labels) -> Predictions:
    flipped = np.random.default_rng(2).random(labels.shape) < 0.1
    return system("noisy", questions, labels.toarray() ^ flipped)


def test_per_label_counts_support_and_bins_keep_the_mean(questions, labels, noisy):
    frame = of_labels.per_label(noisy, questions, labels, NAMES)
    assert frame.columns == ["label", "precision", "recall", "f1", "support", "training_support"]
    assert frame["support"].to_list() == labels[rows_of(questions, "test")].sum(axis=0).tolist()
    bins = of_labels.by_frequency(frame)
    assert bins["labels"].sum() == len(NAMES)
    assert (bins["f1"] * bins["labels"]).sum() == pytest.approx(frame["f1"].sum())


def test_systems_stand_under_one_another_by_frequency(questions, labels, noisy):
    perfect = system("perfect", questions, labels.toarray())
    table = of_labels.systems_by_frequency([perfect, noisy], questions, labels, NAMES)
    assert table["system"].unique(maintain_order=True).to_list() == ["perfect", "noisy"]
    assert set(table.filter(system="perfect")["f1"]) == {1.0}
    assert max(table.filter(system="noisy")["f1"]) < 1


def test_mistakes_are_what_a_loop_counts(questions, labels, noisy):
    shares = of_labels.mistaken(noisy, questions, labels)
    test = rows_of(questions, "test")
    expected, support = np.zeros((8, 8)), np.zeros(8)
    for true, predicted in zip(labels[test].toarray(), noisy.at(test)[0] > 0.5, strict=True):
        for i in np.flatnonzero(true):
            support[i] += 1
            for j in range(8):
                expected[i, j] += predicted[i] if i == j else predicted[j] and not true[j] and not predicted[i]
    np.testing.assert_allclose(shares, expected / support[:, None])
    assert np.diag(shares).tolist() == pytest.approx(
        of_labels.per_label(noisy, questions, labels, NAMES)["recall"].to_list()
    )


def test_a_label_without_test_questions_is_never_mistaken(questions, labels):
    truth = labels.toarray()
    truth[rows_of(questions, "test"), 3] = False
    shares = of_labels.mistaken(system("a", questions, truth), questions, type(labels)(truth))
    assert (shares[3] == 0).all()
    assert shares[2, 2] == 1


def test_most_mistaken_lists_questions_lost_and_nothing_that_never_happens():
    shares = np.array([[0.5, 0.5, 0], [0.1, 0.9, 0], [0, 0, 1]])
    table = of_labels.most_mistaken(shares, ["a", "b", "c"], [2, 30, 5], 9)
    assert table.rows() == [("b", "a", 3.0, 0.1), ("a", "b", 1.0, 0.5)]
    assert of_labels.most_mistaken(np.eye(2), ["a", "b"], [1, 1], 9).is_empty()
    assert shares[0, 0] == 0.5, "the input stays as it was"


@pytest.fixture
def table() -> pl.DataFrame:
    return pl.DataFrame(
        {"label": ["a", "b", "c", "d"], "f1": [0.2, 0.9, 0.9, 0.5], "support": 1, "training_support": [5, 40, 90, 20]}
    )


def test_extremes_stand_side_by_side(table):
    ends = of_labels.extremes(table, 2)
    assert ends["easiest_label"].to_list() == ["b", "c"]
    assert ends["hardest_label"].to_list() == ["a", "d"]
    assert ends["hardest_f1"].to_list() == [0.2, 0.5]
    assert len(of_labels.extremes(table, 10)) == 4


def test_numbers_name_the_ends_and_how_far_frequency_goes(table):
    numbers = of_labels.label_numbers(table)
    assert (numbers["hardest"], numbers["easiest"], numbers["easiest_f1"]) == ("a", "b", 0.9)
    assert numbers["f1_lower_quartile"] == pytest.approx(0.425)
    assert numbers["frequency_spearman"] == pytest.approx(0.9487, abs=1e-3)
    assert "frequency_spearman" not in of_labels.label_numbers(table.with_columns(f1=0.5))
