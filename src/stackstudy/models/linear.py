"""Logistic regressions, one per label, as one matrix."""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from stackstudy.runs import progress

NEVER = 1e-6  # probability of a label that no training row has; 1 minus it for one that all have


class Logistic(NamedTuple):
    """The regressions of k labels on f features."""

    weights: np.ndarray  # float32 (k, f)
    intercepts: np.ndarray  # float32 (k,)

    def __call__(self, features: np.ndarray | csr_matrix) -> np.ndarray:
        """Return the probabilities (n, k) for features (n, f)."""
        return expit(features @ self.weights.T + self.intercepts)


def fit_logistic(features: np.ndarray | csr_matrix, labels: np.ndarray, inverse_penalty: float, stage: str) -> Logistic:
    """Fit one regression per column of `labels` (bool (n, k)) with an L2 penalty; `stage` names it in the progress.

    A label that no row has, or that all have, has nothing to be regressed on: its probability is near 0 or 1 always.
    """
    # liblinear is the quicker one for many sparse columns (Fan et al. 2008), L-BFGS for few dense ones.
    solver = {"solver": "liblinear", "tol": 0.01} if isinstance(features, csr_matrix) else {"solver": "lbfgs"}
    weights = np.zeros((labels.shape[1], features.shape[1]), np.float32)
    intercepts = logit(labels.mean(axis=0).clip(NEVER, 1 - NEVER)).astype(np.float32)
    for label, true in enumerate(labels.T):
        if 0 < true.sum() < true.size:
            model = LogisticRegression(C=inverse_penalty, max_iter=1000, random_state=0, **solver).fit(features, true)
            weights[label], intercepts[label] = model.coef_[0], model.intercept_[0]
        progress.report(stage, label + 1, labels.shape[1])
    return Logistic(weights, intercepts)
