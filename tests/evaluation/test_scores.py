"""Score metrics against scikit-learn and scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr
from sklearn.metrics import mean_absolute_error, mean_pinball_loss, r2_score, root_mean_squared_error

from stackstudy.evaluation import scores

votes = st.integers(2, 40).flatmap(
    lambda n: st.tuples(
        arrays(np.int32, n, elements=st.integers(-20, 30_000)),
        arrays(np.float32, n, elements=st.floats(-50, 30_000, width=32)),
    )
)


@given(votes)
@settings(max_examples=100, deadline=None)
def test_agrees_with_scikit_learn_and_scipy(case):
    actual, predicted = case
    point = scores.row_sums(actual, predicted).point()
    assert point["rmse"] == pytest.approx(root_mean_squared_error(actual, predicted))
    assert point["mae"] == pytest.approx(mean_absolute_error(actual, predicted))
    assert point["pinball"] == pytest.approx(mean_pinball_loss(actual, predicted, alpha=0.5))
    logs = scores.signed_log(actual), scores.signed_log(predicted)
    assert point["rmse_log"] == pytest.approx(root_mean_squared_error(*logs))
    if np.ptp(actual):
        assert point["r2"] == pytest.approx(r2_score(actual, predicted), rel=1e-6, abs=1e-6)
        assert point["r2_log"] == pytest.approx(r2_score(*logs), rel=1e-6, abs=1e-6)
        if np.ptp(predicted):
            assert point["spearman"] == pytest.approx(spearmanr(actual, predicted).statistic, abs=1e-9)


def test_what_is_constant_has_no_r2_and_no_correlation():
    point = scores.row_sums(np.full(30, 7), np.arange(30.0)).point()
    assert all(np.isnan(point[name]) for name in ("r2", "r2_log", "r2_without_top10", "spearman"))
    assert point["rmse"] > 0
    constant_prediction = scores.row_sums(np.arange(30), np.full(30, 7.1)).point()
    assert np.isnan(constant_prediction["spearman"])
    assert constant_prediction["r2"] < 0


def test_one_row_has_errors_but_no_r2():
    point = scores.row_sums(np.array([3]), np.array([5.0])).point()
    assert point["rmse"] == point["mae"] == 2
    assert np.isnan(point["r2"])


def test_r2_without_the_ten_highest_leaves_out_exactly_these():
    random = np.random.default_rng(0)
    actual = np.round(random.pareto(1, 200) * 5).astype(int)
    predicted = random.random(200) * 10
    rest = np.argsort(-actual, kind="stable")[10:]
    point = scores.row_sums(actual, predicted).point()
    assert point["r2_without_top10"] == pytest.approx(r2_score(actual[rest], predicted[rest]))
    curve = scores.r2_without_top(actual, predicted)
    assert curve.shape == (11,)
    assert curve[[0, 10]] == pytest.approx([point["r2"], point["r2_without_top10"]])


def test_signed_log_keeps_sign_and_order():
    np.testing.assert_allclose(scores.signed_log([-np.e + 1, 0, np.e - 1]), [-1, 0, 1])


def test_large_scores_with_little_spread_keep_their_r2():
    """Sums of squares around a far-off zero would lose the digits that matter."""
    random = np.random.default_rng(0)
    actual = 100_000_000 + random.integers(0, 3, 1000)
    predicted = actual + random.normal(size=1000)
    assert scores.row_sums(actual, predicted).point()["r2"] == pytest.approx(r2_score(actual, predicted), rel=1e-9)


@given(arrays(np.float64, st.integers(1, 20), elements=st.floats(-20, 30_000)))
def test_the_signed_log_has_an_inverse_for_negative_scores_too(values):
    np.testing.assert_allclose(scores.inverse_signed_log(scores.signed_log(values)), values, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("quantile", [0.05, 0.5, 0.95])
def test_pinball_loss_is_that_of_scikit_learn_and_smallest_at_its_quantile(quantile):
    actual = np.random.default_rng(0).integers(-5, 50, 400)
    predicted = np.random.default_rng(1).normal(10, 5, 400)
    found = scores.pinball(actual, predicted, quantile)
    assert found == pytest.approx(mean_pinball_loss(actual, predicted, alpha=quantile))
    losses = [scores.pinball(actual, np.full(400, value), quantile) for value in range(-5, 50)]
    assert np.argmin(losses) - 5 == np.quantile(actual, quantile, method="inverted_cdf")


STRATA = np.repeat(["low", "middle", "high"], 200)


def drawn_by_score() -> tuple[np.ndarray, np.ndarray]:
    """Scores of three samples that differ in little but their level, and that level (n,)."""
    level = np.repeat([0.0, 20.0, 300.0], 200)
    return np.round(level + np.random.default_rng(0).normal(0, 5, 600)), level


def test_who_only_knows_the_sample_looks_good_on_the_whole_and_not_within():
    actual, level = drawn_by_score()
    point = scores.row_sums(actual, level, STRATA).point()
    assert point["r2"] > 0.99
    assert point["spearman"] > 0.85
    assert point["r2_within"] == pytest.approx(0)
    assert point["r2_log_within"] == pytest.approx(0)
    assert np.isnan(point["spearman_within"])


def test_what_is_known_within_samples_is_seen_there():
    actual, level = drawn_by_score()
    half = level + (actual - level) / 2
    point = scores.row_sums(actual, half, STRATA).point()
    within = [r2_score(actual[rows], half[rows]) for rows in np.split(np.arange(600), 3)]
    assert point["r2_within"] == pytest.approx(np.mean(within), abs=0.01)
    assert point["spearman_within"] == pytest.approx(1)
    wrong = scores.row_sums(actual, level - (actual - level) / 100, STRATA).point()
    assert wrong["spearman_within"] == pytest.approx(-1)
    assert wrong["spearman"] > 0.5


def test_in_a_single_sample_within_and_whole_agree_and_the_rest_does_not_change():
    actual, predicted = drawn_by_score()[0][:200], np.random.default_rng(1).normal(size=200)
    whole, one = scores.row_sums(actual, predicted), scores.row_sums(actual, predicted, np.zeros(200))
    point = one.point()
    assert {name: point[name] for name in whole.point()} == pytest.approx(whole.point())
    assert point["spearman_within"] == pytest.approx(point["spearman"])
    centred = predicted - predicted.mean() + actual.mean()
    assert point["r2_within"] == pytest.approx(r2_score(actual, centred))


def test_a_wrong_level_of_a_sample_costs_nothing_within():
    actual, level = drawn_by_score()
    right = scores.row_sums(actual, level + 0.3 * (actual - level), STRATA).point()
    wrong = scores.row_sums(actual, 100 - level + 0.3 * (actual - level), STRATA).point()
    assert wrong["r2"] < 0 < right["r2"]
    assert wrong["r2_within"] == pytest.approx(right["r2_within"]) == pytest.approx(0.51)


def test_a_sample_of_one_row_and_constant_samples_explain_nothing():
    point = scores.row_sums([7, 7, 7, 2], [1.0, 2.0, 3.0, 4.0], np.array(["a", "a", "a", "b"])).point()
    assert all(np.isnan(point[name]) for name in ("r2_within", "r2_log_within", "spearman_within"))


def test_a_resample_of_each_row_once_is_the_point_estimate():
    actual, level = drawn_by_score()
    sums = scores.row_sums(actual, level + 0.3 * (actual - level), STRATA)
    resampled = sums.resampled(np.ones((600, 1), np.float32))
    assert {name: value[0] for name, value in resampled.items()} == pytest.approx(sums.point())
