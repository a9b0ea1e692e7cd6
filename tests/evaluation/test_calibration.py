import numpy as np
import pytest
from scipy.special import expit

from stackstudy.evaluation.calibration import SURE, fit_platt, log_odds


def drawn(slope: float, offset: float) -> tuple[np.ndarray, np.ndarray]:
    """Scores of 4000 questions and 5 labels, and labels that are as probable as the curve says."""
    random = np.random.default_rng(0)
    scores = random.normal(size=(4000, 5))
    return scores, random.random(scores.shape) < expit(slope * scores + offset)


def test_the_curve_that_labels_were_drawn_from_is_found():
    scores, labels = drawn(2.5, -1.5)
    platt = fit_platt(scores, labels)
    assert platt == pytest.approx((2.5, -1.5), abs=0.1)
    np.testing.assert_allclose(platt(scores), expit(platt.slope * scores + platt.offset))
    assert platt(scores).mean() == pytest.approx(labels.mean(), abs=1e-4)


def test_scores_on_another_scale_give_the_same_probabilities():
    scores, labels = drawn(2.5, -1.5)
    moved = 0.1 * scores + 7
    np.testing.assert_allclose(fit_platt(moved, labels)(moved), fit_platt(scores, labels)(scores), atol=1e-3)


def test_scores_that_separate_the_labels_have_a_curve_too():
    scores = np.array([[-1.0, 1.0], [1.0, -1.0]])
    platt = fit_platt(scores, scores > 0)
    assert np.isfinite(platt).all()
    assert platt(np.array([-1.0, 1.0])) == pytest.approx([0, 1], abs=0.01)


@pytest.mark.parametrize("every", [True, False])
def test_labels_that_are_all_equal_are_refused(every):
    with pytest.raises(ValueError, match="cannot be calibrated where all questions have all labels, or none"):
        fit_platt(np.zeros((3, 2)), np.full((3, 2), every))


def test_log_odds_of_certainty_are_finite():
    odds = log_odds(np.array([0, 0.25, 1], np.float32))
    np.testing.assert_allclose(odds, [np.log(SURE), np.log(1 / 3), -np.log(SURE)], rtol=1e-4)
