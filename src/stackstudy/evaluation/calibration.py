"""Calibrated probabilities."""

from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

SURE = 1e-6  # probabilities are no nearer to 0 and 1


class Platt(NamedTuple):
    """Scores of any scale to probabilities, by a logistic curve for all labels (Platt 1999)."""

    slope: float
    offset: float

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Return the probabilities, in the shape of the scores."""
        return expit(self.slope * scores + self.offset)


def fit_platt(scores: np.ndarray, labels: np.ndarray) -> Platt:
    """Return the curve that fits scores (n, k) to labels bool (n, k) best. ValueError: all labels are equal."""
    if labels.all() or not labels.any():
        raise ValueError(
            "scores cannot be calibrated where all questions have all labels, or none: take more questions"
        )
    # The penalty is next to nothing: without any, a curve that separates the labels would have no end.
    model = LogisticRegression(C=1e6).fit(scores.reshape(-1, 1), labels.ravel())
    return Platt(float(model.coef_[0, 0]), float(model.intercept_[0]))


def log_odds(probabilities: np.ndarray) -> np.ndarray:
    """Return the log-odds of probabilities, which may be 0 or 1: float64, same shape."""
    return logit(np.asarray(probabilities, dtype=np.float64).clip(SURE, 1 - SURE))
