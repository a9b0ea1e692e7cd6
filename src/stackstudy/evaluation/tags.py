"""Metrics of tag predictions: one threshold rule and one set of definitions for every system.

Throughout, n rows, k labels; `probabilities` float32 (n, k), `labels` bool (n, k). A label is predicted where its
probability reaches the threshold. What has a zero denominator counts as 0, as in scikit-learn's ``zero_division=0``.
"""

import numpy as np
import polars as pl
from scipy import sparse

from stackstudy.evaluation.bootstrap import Metrics, RowSums

Threshold = float | np.ndarray  # one for all labels, or one for each (k,)
TOP = 5
BINS = 15  # of the calibration error, of equal width
FREQUENCIES = (0, 10, 30, 100, 300, 1000)  # lower bounds of the frequency bins
MEANS = (
    "f1_samples",
    "lrap",
    *(f"{name}_at_{rank + 1}" for name in ("precision", "recall", "f1") for rank in range(TOP)),
)


def micro_f1_at(probabilities: np.ndarray, labels: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Return micro F1 (t,) at each of `thresholds` (t,)."""
    everything, right = np.sort(probabilities, axis=None), np.sort(probabilities[labels])
    predicted = everything.size - np.searchsorted(everything, thresholds)
    hits = right.size - np.searchsorted(right, thresholds)
    return _ratio(2.0 * hits, predicted + right.size)


def choose_threshold(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the threshold with the highest micro F1 of all possible ones; the highest of equally good ones.

    Lowering a threshold gains only where it takes in a true label, so the probabilities of true labels are all the
    cuts that need a look. Without any true label nothing should be predicted: 1.0 then.
    """
    cuts = np.unique(probabilities[labels])[::-1]
    if not cuts.size:
        return 1.0
    return float(cuts[micro_f1_at(probabilities, labels, cuts).argmax()])


def best_micro_f1(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return micro F1 at the threshold that is best for it; scores (n, k) of any scale, labels (n, k) above 0."""
    truth = labels > 0
    cut = np.array([choose_threshold(scores, truth)], dtype=scores.dtype)
    return float(micro_f1_at(scores, truth, cut)[0])


def expected_f1(probabilities: np.ndarray) -> float:
    """Return the F1 of the best threshold on `probabilities` (n,), from expected counts.

    Taking the m surest cells gives 2 * sum of their probabilities / (m + sum of all); a threshold is the optimal rule
    (Lipton, Elkan and Naryanaswamy 2014, Optimal thresholding of classifiers to maximize F1 measure).
    """
    surest = np.sort(probabilities)[::-1]
    return float((2 * np.cumsum(surest) / (np.arange(1, len(surest) + 1) + surest.sum())).max())


def row_sums(probabilities: np.ndarray, labels: np.ndarray, threshold: Threshold) -> RowSums:
    """Return what the metrics of one system and seed need; ready for any subset of rows and for the bootstrap.

    The threshold that is reported beside the metrics is the mean where there is one for each label.
    """
    predicted = probabilities >= np.float32(threshold)
    confusion = np.hstack([predicted & labels, predicted & ~labels, ~predicted & labels])
    means = [_f1_samples(predicted, labels), _lrap(probabilities, labels), *_at_top(probabilities, labels)]
    gaps = _calibration_gaps(probabilities, labels)
    counted = np.column_stack([np.ones(len(labels)), *means]).astype(np.float32)
    parts = (*(sparse.csr_array(part, dtype=np.float32) for part in (confusion, gaps)), counted)
    return RowSums(parts, _metrics, {"threshold": float(np.mean(threshold))})


def per_label(probabilities: np.ndarray, labels: np.ndarray, threshold: Threshold) -> dict[str, np.ndarray]:
    """Return precision, recall, f1 (float64) and support (int64) of each label, (k,)."""
    predicted = probabilities >= np.float32(threshold)
    hits, found, support = (predicted & labels).sum(0), predicted.sum(0), labels.sum(0)
    ratios = {
        "precision": _ratio(hits, found),
        "recall": _ratio(hits, support),
        "f1": _ratio(2 * hits, found + support),
    }
    return ratios | {"support": support}


def reliability(probabilities: np.ndarray, labels: np.ndarray) -> pl.DataFrame:
    """Return the mean predicted probability, observed share and count of each filled bin of equal width."""
    bins = _bins(probabilities).ravel()
    count = np.bincount(bins, minlength=BINS)
    filled = count > 0
    predicted, observed = (np.bincount(bins, x.ravel(), BINS)[filled] / count[filled] for x in (probabilities, labels))
    return pl.DataFrame({"predicted": predicted, "observed": observed, "count": count[filled]})


def frequency_bins(training_support: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Return the filled bins of labels by their number of training questions (k,): name, positions of the labels."""
    place = np.searchsorted(FREQUENCIES, training_support, side="right") - 1
    bounds = zip(FREQUENCIES, (*(bound - 1 for bound in FREQUENCIES[1:]), None), strict=True)
    names = [f"{low}+" if high is None else f"{low}-{high}" for low, high in bounds]
    return [(names[i], np.flatnonzero(place == i)) for i in np.unique(place)]


def _metrics(confusion: np.ndarray, gaps: np.ndarray, means: np.ndarray) -> Metrics:
    """Return the metrics (r,) of r resamples from the sums of what `row_sums` prepares."""
    hits, false, missed = np.split(confusion, 3)  # each (k, r)
    rows, means = means[0], means[1:] / means[0]
    label_f1, support, twice = _ratio(2 * hits, 2 * hits + false + missed), hits + missed, 2 * hits.sum(0)
    return {
        "f1_micro": _ratio(twice, twice + false.sum(0) + missed.sum(0)),
        "f1_macro": label_f1.mean(0),
        "f1_weighted": _ratio((label_f1 * support).sum(0), support.sum(0)),
        **dict(zip(MEANS, means, strict=True)),
        "ece": np.abs(gaps).sum(0) / (rows * len(hits)),
    }


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    above, below = np.asarray(above), np.asarray(below)
    return np.divide(above, below, out=np.zeros(below.shape, np.result_type(above, below, np.float32)), where=below > 0)


def _f1_samples(predicted: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return _ratio(2.0 * (predicted & labels).sum(1), predicted.sum(1) + labels.sum(1))


def _lrap(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return label ranking average precision (n,); ties take the worst rank, a row without labels counts as 1."""
    rows, columns = np.nonzero(labels)
    reached = probabilities[rows] >= probabilities[rows, columns][:, None]  # (labels in all rows, k)
    precision = (reached & labels[rows]).sum(1) / reached.sum(1)
    count = labels.sum(1)
    return np.where(count > 0, _ratio(np.bincount(rows, precision, len(labels)), count), 1.0)


def _at_top(probabilities: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
    """Return precision, recall and F1 (n, 5) among the 1 to 5 likeliest labels; equal ones in the order of the labels.

    Precision divides by the number of labels looked at, recall by the number of true ones; F1 is theirs, row by row.
    """
    left, rows = probabilities.astype(np.float32), np.arange(len(labels))
    found = np.zeros((len(labels), TOP))
    for rank in range(min(TOP, labels.shape[1])):
        best = left.argmax(1)
        found[:, rank] = labels[rows, best]
        left[rows, best] = -1
    hits, looked = found.cumsum(1), np.arange(1, TOP + 1)
    true = np.broadcast_to(labels.sum(1)[:, None], hits.shape)
    return [hits / looked, _ratio(hits, true), 2 * hits / (looked + true)]


def _bins(probabilities: np.ndarray) -> np.ndarray:
    return (probabilities * BINS).astype(np.int64).clip(max=BINS - 1)


def _calibration_gaps(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return predicted minus observed, summed over the labels of a row in each bin: (n, bins).

    The expected calibration error over all n*k decisions is the sum of the absolute column sums, divided by n*k
    (Guo et al. 2017, section 2, for a binary decision per label).
    """
    cells = np.arange(len(labels))[:, None] * BINS + _bins(probabilities)
    gaps = np.bincount(cells.ravel(), (probabilities - labels).ravel(), len(labels) * BINS)
    return gaps.reshape(-1, BINS)
