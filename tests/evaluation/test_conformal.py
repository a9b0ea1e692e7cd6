"""Intervals hold as many new scores as they say."""

import numpy as np
import pytest

from stackstudy.evaluation.conformal import fit_conformal
from stackstudy.evaluation.scores import inverse_signed_log, signed_log


def test_nine_of_ten_new_scores_lie_inside_and_the_tails_are_equal():
    rng = np.random.default_rng(0)
    typical = rng.normal(1, 1, 4_000)
    scores = inverse_signed_log(typical + rng.exponential(1, 4_000) - 1)
    interval = fit_conformal(scores[:2_000], inverse_signed_log(typical[:2_000]), 0.9)
    assert interval.coverage == 0.9
    logs = signed_log(scores[2_000:]) - typical[2_000:]
    assert np.mean(logs < interval.low) == pytest.approx(0.05, abs=0.015)
    assert np.mean(logs > interval.high) == pytest.approx(0.05, abs=0.015)


def test_bounds_are_whole_scores_around_the_prediction():
    interval = fit_conformal(np.arange(-20, 21), np.zeros(41), 0.9)
    low, high = interval(np.array([0.0]))
    assert (low[0], high[0]) == (-19, 19)  # two of 42 places are outside, one on each side


def test_too_few_scores_are_refused():
    with pytest.raises(ValueError, match="18 scores are too few for intervals that hold 90% of them"):
        fit_conformal(np.zeros(18), np.zeros(18), 0.9)
    fit_conformal(np.zeros(19), np.zeros(19), 0.9)
