import numpy as np
import pytest
from scipy.stats import binomtest

from stackstudy.evaluation.intervals import coverage, coverage_by_prediction


def test_coverage_by_hand():
    actual, low, high = np.array([0, 1, 5, -3]), np.array([0, 2, 0, -2]), np.array([0, 4, 4, 9])
    expected = {"coverage": 0.25, "below": 0.5, "above": 0.25, "width_median": 3.0}
    assert coverage(actual, low, high) == pytest.approx(expected)


def test_bins_are_of_equal_size_and_know_where_coverage_fails():
    predicted = np.arange(1000.0)
    actual = np.where(predicted < 500, predicted, predicted + 10)
    bins = coverage_by_prediction(actual, predicted, predicted - 1, predicted + 1)
    assert set(bins["questions"]) <= {99, 100, 101}
    assert bins["coverage"].to_list() == [1.0] * 5 + [0.0] * 5
    assert (bins["predicted_low"][0], bins["predicted_high"][-1]) == (0, 999)


def test_the_interval_is_wilsons():
    actual = np.repeat([0, 9], [30, 10])
    row = coverage_by_prediction(actual, np.zeros(40), np.zeros(40) - 1, np.zeros(40) + 1).row(0, named=True)
    expected = binomtest(30, 40).proportion_ci(method="wilson")
    assert (row["coverage_low"], row["coverage_high"]) == pytest.approx((expected.low, expected.high), abs=1e-4)


def test_equal_predictions_stay_in_one_bin():
    bins = coverage_by_prediction(np.zeros(30), np.repeat([0.0, 1.0], [25, 5]), np.zeros(30), np.ones(30))
    assert bins["questions"].to_list() == [25, 5]
