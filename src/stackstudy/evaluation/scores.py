"""Metrics of score predictions on the raw and the signed-log scale, and without the few questions that decide R2.

Throughout, `actual` and `predicted` are (n,). An R2 or a correlation of something constant is undefined: NaN.
"""

import numpy as np
from scipy.stats import rankdata

from stackstudy.evaluation.bootstrap import Metrics, RowSums

TOP = 10  # highest-scored test questions that `r2_without_top10` leaves out


def signed_log(scores: np.ndarray) -> np.ndarray:
    """Return sign(x) log(1 + |x|): a log scale for votes, which may be negative."""
    scores = np.asarray(scores, dtype=np.float64)
    return np.sign(scores) * np.log1p(np.abs(scores))


def row_sums(actual: np.ndarray, predicted: np.ndarray) -> RowSums:
    """Return what the metrics of one system and seed need; ready for the bootstrap.

    Taken once, not in every resample: the ranks (Spearman becomes the weighted correlation of the ranks in the whole
    test set) and the ten highest-scored questions.
    """
    actual, predicted = np.asarray(actual, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    kept = np.ones(len(actual))
    kept[np.argsort(-actual, kind="stable")[:TOP]] = 0
    columns = [
        *_errors(actual, predicted),
        *_errors(signed_log(actual), signed_log(predicted)),
        *(kept * column for column in _errors(actual, predicted)),
        np.abs(actual - predicted),
        *_moments(rankdata(actual), rankdata(predicted)),
    ]
    return RowSums((np.column_stack(columns),), _metrics)


def r2_without_top(actual: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return R2 without the 0, 1, ... `TOP` highest-scored questions: (TOP + 1,)."""
    order = np.argsort(-np.asarray(actual, dtype=np.float64), kind="stable")
    rest = (order[dropped:] for dropped in range(TOP + 1))
    sums = (np.sum(_errors(actual[rows], predicted[rows]), axis=1, keepdims=True) for rows in rest)
    return np.concatenate([_r2(*each) for each in sums])


def _metrics(sums: np.ndarray) -> Metrics:
    raw, log, rest = sums[0:4], sums[4:8], sums[8:12]
    mae = sums[12] / raw[0]
    return {
        "rmse": np.sqrt(raw[3] / raw[0]),
        "mae": mae,
        "r2": _r2(*raw),
        "rmse_log": np.sqrt(log[3] / log[0]),
        "r2_log": _r2(*log),
        "spearman": _correlation(raw[0], *sums[13:]),
        "pinball": mae / 2,  # at the median, the only quantile that a point prediction stands for
        "r2_without_top10": _r2(*rest),
    }


def _errors(actual: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the columns from which RMSE and R2 follow: 1, y, y^2, squared error."""
    y = _centred(actual)
    return np.ones_like(y), y, y**2, (actual - predicted) ** 2


def _moments(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
    x, y = _centred(x), _centred(y)
    return x, y, x**2, y**2, x * y


def _centred(values: np.ndarray) -> np.ndarray:
    """Subtract the median: sums of squares lose fewer digits, and a constant becomes exactly 0."""
    return values - np.median(values) if len(values) else values


def _r2(count: np.ndarray, total: np.ndarray, squares: np.ndarray, errors: np.ndarray) -> np.ndarray:
    return 1 - errors / _variation(count, total, squares)


def _correlation(count: np.ndarray, *sums: np.ndarray) -> np.ndarray:
    x, y, xx, yy, xy = sums
    together = xy - x * y / np.maximum(count, 1)
    return (together / np.sqrt(_variation(count, x, xx) * _variation(count, y, yy))).clip(-1, 1)


def _variation(count: np.ndarray, total: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Return the sum of squares around the mean, NaN where it is zero up to rounding."""
    variation = squares - total**2 / np.maximum(count, 1)
    return np.where(variation > 1e-12 * squares, variation, np.nan)
