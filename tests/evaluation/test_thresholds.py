import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_array
from scipy.special import logit

from stackstudy.evaluation.predictions import Predictions
from stackstudy.evaluation.tags import choose_threshold
from stackstudy.evaluation.thresholds import expected_f1_thresholds, rows_to_choose_on, shrunk_thresholds, thresholds
from stackstudy.questions.schema import row_hash

FREQUENT, RARE = 0.4, 0.02


@pytest.fixture
def questions() -> pl.DataFrame:
    splits = ["train"] * 10 + ["validation"] * 3000 + ["test"] * 500
    return pl.DataFrame({"question_id": np.arange(len(splits)), "site": "s", "split": splits})


@pytest.fixture
def calibrated(questions) -> tuple[Predictions, np.ndarray]:
    """Probabilities of two seeds that can be taken at their word, for a frequent and a rare label; and the labels."""
    random = np.random.default_rng(0)
    means = np.array([FREQUENT, RARE])
    probabilities = random.beta(means, 1 - means, (len(questions), 2))
    labels = random.random(probabilities.shape) < probabilities
    values = np.stack([probabilities[10:], probabilities[10:] ** 2])  # the second seed is too careful
    rows = np.arange(10, len(questions))
    return Predictions("tried", "tags", row_hash(questions), rows, [0, 1], values, {}), labels


def with_parameters(predictions: Predictions, **parameters) -> Predictions:
    return Predictions(**{**vars(predictions), "parameters": parameters})


def f1(probabilities: np.ndarray, labels: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    given = probabilities >= cuts
    return 2 * (given & labels).sum(axis=0) / (given.sum(axis=0) + labels.sum(axis=0))


def test_one_threshold_for_all_is_the_rule_unless_another_is_named(calibrated, questions):
    predictions, labels = calibrated
    rows = np.arange(10, 3010)
    found = thresholds(predictions, questions, csr_array(labels))
    assert found == [choose_threshold(values, labels[rows]) for values in predictions.at(rows)]
    assert found == thresholds(with_parameters(predictions, threshold_rule="global"), questions, csr_array(labels))


def test_as_published_they_are_chosen_on_test_rows(calibrated, questions):
    published = with_parameters(calibrated[0], protocol="published")
    np.testing.assert_array_equal(rows_to_choose_on(published, questions), np.arange(3010, 3510))
    np.testing.assert_array_equal(rows_to_choose_on(calibrated[0], questions), np.arange(10, 3010))


def test_a_label_has_half_of_its_best_f1_as_threshold(calibrated):
    predictions, labels = calibrated
    rows = np.arange(10, 3010)
    first, second = (expected_f1_thresholds(values, labels[rows]) for values in predictions.at(rows))
    cuts = np.linspace(0.01, 0.99, 99)[:, None, None]
    best = np.array([f1(predictions.at(rows)[0], labels[rows], cut) for cut in cuts]).max(axis=0)
    np.testing.assert_allclose(first, best / 2, atol=0.05)
    assert first[1] < first[0]
    np.testing.assert_allclose(second, first**2, atol=0.05)  # the calibration undoes the square


def test_the_few_answers_of_one_label_do_not_move_its_threshold(calibrated):
    predictions, labels = calibrated
    values, changed = predictions.values[0], labels[10:].copy()
    there, missing = (np.flatnonzero(changed[:, 1] == true)[:3] for true in (True, False))
    changed[there, 1], changed[missing, 1] = False, True
    before, after = (expected_f1_thresholds(values, truth) for truth in (labels[10:], changed))
    np.testing.assert_allclose(before, after, atol=0.02)


def test_the_rule_per_label_stands_half_way_between_both(calibrated, questions):
    predictions, labels = calibrated
    rows = np.arange(10, 3010)
    for values, found in zip(
        predictions.at(rows),
        thresholds(with_parameters(predictions, threshold_rule="per-label"), questions, csr_array(labels)),
        strict=True,
    ):
        own, common = expected_f1_thresholds(values, labels[rows]), choose_threshold(values, labels[rows])
        np.testing.assert_array_equal(found, shrunk_thresholds(values, labels[rows]))
        assert ((found > np.minimum(own, common)) & (found < np.maximum(own, common))).all()
        np.testing.assert_allclose(logit(found), (logit(own) + logit(common)) / 2)


def test_a_label_that_is_never_likely_still_has_a_threshold():
    random = np.random.default_rng(0)
    probabilities = np.column_stack([random.random(200), np.full(200, 1e-9)])
    cuts = expected_f1_thresholds(probabilities, random.random((200, 2)) < probabilities)
    assert np.isfinite(cuts).all()
    assert ((cuts > 0) & (cuts < 1)).all()


def test_what_cannot_be_is_named(calibrated, questions):
    predictions, labels = calibrated
    with pytest.raises(ValueError, match="predictions of tried: threshold_rule is 'odd', not global or per-label"):
        thresholds(with_parameters(predictions, threshold_rule="odd"), questions, csr_array(labels))
    with pytest.raises(ValueError, match="labels are rarer where their probabilities are higher"):
        expected_f1_thresholds(1 - predictions.values[0], labels[10:])
