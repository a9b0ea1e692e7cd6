"""Intervals for single predictions, from how far a system was off on questions that it was not fitted to."""

from typing import NamedTuple

import numpy as np

from stackstudy.evaluation.scores import inverse_signed_log, signed_log


class Conformal(NamedTuple):
    """How far below and above a prediction a score may lie, on the signed log scale."""

    low: float
    high: float
    coverage: float  # share of new scores that lie inside, if they come as those seen did

    def __call__(self, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return both bounds of scores for predicted ones, each (n,); scores are whole, and so are their bounds."""
        logs = signed_log(predicted)
        low, high = (np.rint(inverse_signed_log(logs + shift)) + 0.0 for shift in (self.low, self.high))
        return low, high


def fit_conformal(actual: np.ndarray, predicted: np.ndarray, coverage: float) -> Conformal:
    """Return the interval that split conformal prediction finds for scores (n,) and what was predicted of them (n,).

    Equal tails, on the signed log scale, which votes spread evenly on (Lei et al. 2018, Distribution-free predictive
    inference for regression). ValueError: too few scores for this coverage.
    """
    errors, count = np.sort(signed_log(actual) - signed_log(predicted)), len(actual)
    outside = int((count + 1) * (1 - coverage) / 2 + 1e-9)  # scores beyond each bound
    if not outside:
        raise ValueError(f"{count} scores are too few for intervals that hold {coverage:.0%} of them: take more")
    return Conformal(float(errors[outside - 1]), float(errors[-outside]), coverage)
