"""Metrics of score predictions on the raw and the signed-log scale, and without the few questions that decide R2.

Throughout, `actual` and `predicted` are (n,). An R2 or a correlation of something constant is undefined: NaN.
Where questions come from several samples (`strata`), ``*_within`` metrics ask what is explained inside of them: scores
and predictions are taken as deviations from their means in the sample, so that telling samples apart earns and costs
nothing. A system that knows the sample alone has an R2 of 0 there.
"""

from collections.abc import Callable

import numpy as np
from scipy.stats import rankdata

from stackstudy.evaluation.bootstrap import Metrics, RowSums

TOP = 10  # highest-scored test questions that `r2_without_top10` leaves out


def signed_log(scores: np.ndarray) -> np.ndarray:
    """Return sign(x) log(1 + |x|): a log scale for votes, which may be negative."""
    scores = np.asarray(scores, dtype=np.float64)
    return np.sign(scores) * np.log1p(np.abs(scores))


def inverse_signed_log(values: np.ndarray) -> np.ndarray:
    """Return sign(x) (exp(|x|) - 1), what `signed_log` was applied to.

    Of a mean on the log scale it is no mean of scores, but a typical one, near the median: a system that learned the
    signed log predicts far below the mean of a heavy tail, and its R2 on the raw scale says so.
    """
    values = np.asarray(values, dtype=np.float64)
    return np.sign(values) * np.expm1(np.abs(values))


def row_sums(actual: np.ndarray, predicted: np.ndarray, strata: np.ndarray | None = None) -> RowSums:
    """Return what the metrics of one system and seed need; ready for the bootstrap.

    With `strata` (n,), the name or number of each row's sample, the metrics ``*_within`` come along.
    Taken once, not in every resample: the ranks (Spearman becomes the weighted correlation of the ranks in the whole
    test set), the ten highest-scored questions and the means of the strata.
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
    if strata is None:
        return RowSums((np.column_stack(columns),), _metrics)
    return RowSums((np.column_stack(columns), _within(actual, predicted, np.asarray(strata))), _metrics_with_strata)


def pinball(actual: np.ndarray, predicted: np.ndarray, quantile: float) -> float:
    """Return the mean pinball loss, which the `quantile` of the scores minimises (Koenker & Bassett 1978)."""
    over = np.asarray(actual, dtype=np.float64) - predicted
    return float(np.maximum(quantile * over, (quantile - 1) * over).mean())


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


def _metrics_with_strata(sums: np.ndarray, within: np.ndarray) -> Metrics:
    variation = np.where(within[:2] > 0, within[:2], np.nan)
    r2, r2_log = 1 - within[2:4] / variation
    ranks = _correlation(sums[0], *within[4:])
    return _metrics(sums) | {"r2_within": r2, "r2_log_within": r2_log, "spearman_within": ranks}


def _within(actual: np.ndarray, predicted: np.ndarray, strata: np.ndarray) -> np.ndarray:
    """Return (n, 9): squares inside strata of score and error, each raw and log, and the moments of ranks there."""
    places = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    logs = signed_log(actual), signed_log(predicted)
    parts = [actual, logs[0], actual - predicted, logs[0] - logs[1]]
    squares = [_inside(values, places, _deviations) ** 2 for values in parts]
    return np.column_stack([*squares, *_moments(*(_inside(v, places, _rank_shares) for v in (actual, predicted)))])


def _inside(values: np.ndarray, places: list[np.ndarray], change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Apply `change` to the values (n,) at each of `places`."""
    changed = np.empty(len(values))
    for rows in places:
        changed[rows] = change(values[rows])
    return changed


def _deviations(values: np.ndarray) -> np.ndarray:
    """Subtract the mean; constants become exactly 0."""
    return values - values.mean() if np.ptp(values) else np.zeros(len(values))


def _rank_shares(values: np.ndarray) -> np.ndarray:
    """Return ranks around 0 as shares of the number of values, so that a row counts the same in every stratum."""
    return (rankdata(values) - (len(values) + 1) / 2) / len(values)


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
