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
