"""From which probability on a label is given: rules that choose thresholds, and on which rows."""

from collections.abc import Callable

import numpy as np
import polars as pl
from scipy import sparse
from scipy.special import expit

from stackstudy.evaluation.calibration import fit_platt, log_odds
from stackstudy.evaluation.predictions import Predictions, rows_of
from stackstudy.evaluation.tags import Threshold, choose_threshold, expected_f1


def thresholds(predictions: Predictions, questions: pl.DataFrame, labels: sparse.csr_array) -> list[Threshold]:
    """Return the decision threshold of each seed, chosen on validation rows.

    Predictions with the parameter ``threshold_rule: per-label`` have one for each label, float64 (k,); others have one
    for all labels. With the parameter ``protocol: published`` they are chosen on test rows: the published study had one
    split for choice and report. ValueError: another rule.
    """
    rows = rows_to_choose_on(predictions, questions)
    truth = labels[rows].toarray()
    rule = predictions.parameters.get("threshold_rule", "global")
    if rule not in RULES:
        raise ValueError(f"predictions of {predictions.system}: threshold_rule is {rule!r}, not {' or '.join(RULES)}")
    return [RULES[rule](values, truth) for values in predictions.at(rows)]


def rows_to_choose_on(predictions: Predictions, questions: pl.DataFrame) -> np.ndarray:
    """Return the numbers of the rows on which the thresholds of a system are chosen, int64 (r,)."""
    published = predictions.parameters.get("protocol") == "published"
    return rows_of(questions, "test" if published else "validation")


def expected_f1_thresholds(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return a threshold for each label, float64 (k,), from probabilities (n, k) and labels bool (n, k).

    A threshold that maximises the F1 of one label on few questions fits their noise. Here the labels of all are used
    together, to calibrate the probabilities by one curve; then the F1 that a label can expect follows from its
    probabilities alone, and half of the highest is the probability from which the label should be given (Lipton,
    Elkan and Naryanaswamy 2014, Optimal thresholding of classifiers to maximize F1 measure).
    ValueError: the labels are all equal, or probabilities rise where labels fall.
    """
    scores = log_odds(probabilities)
    platt = fit_platt(scores, labels)
    if platt.slope <= 0:
        raise ValueError("labels are rarer where their probabilities are higher: no threshold for each can be found")
    best = np.array([expected_f1(column) for column in platt(scores).T])
    return expit((log_odds(best / 2) - platt.offset) / platt.slope)


def shrunk_thresholds(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return for each label the threshold half-way in log-odds from the one for all to its expected one: float64 (k,).

    The one for all serves micro F1, those of the labels macro F1. Half-way, most of the gain in macro F1 is kept for
    a small part of the loss in micro F1. ValueError: as `expected_f1_thresholds`.
    """
    own, common = expected_f1_thresholds(probabilities, labels), choose_threshold(probabilities, labels)
    return expit((log_odds(own) + log_odds(common)) / 2)


RULES: dict[str, Callable[[np.ndarray, np.ndarray], Threshold]] = {
    "global": choose_threshold,
    "per-label": shrunk_thresholds,
}
