"""Permutation importance: how much a system loses when a feature no longer belongs to its question."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl
from scipy.stats import rankdata


def permutation_importance(
    predict: Callable[[pl.DataFrame], np.ndarray],
    features: pl.DataFrame,
    actual: np.ndarray,
    groups: Mapping[str, Sequence[str]],
    repeats: int,
    seed: int,
) -> pl.DataFrame:
    """Return the drop in Spearman correlation when the columns of a group are shuffled together between questions.

    `features` (n, f) and `actual` (n,) are of questions that were not trained on (Breiman 2001). Ranks are compared,
    since a few questions would decide a squared error. Columns feature (the group), importance (mean over `repeats`),
    low and high (least and most); the most important comes first. A constant prediction correlates with nothing: 0.
    """
    random, truth = np.random.default_rng(seed), rankdata(actual)
    whole, rows = _correlation(truth, predict(features)), []
    for name, columns in groups.items():
        drops = []
        for _ in range(repeats):
            shuffled = features.select(columns)[random.permutation(len(features))]
            drops.append(whole - _correlation(truth, predict(features.with_columns(shuffled))))
        rows.append((name, float(np.mean(drops)), float(np.min(drops)), float(np.max(drops))))
    frame = pl.DataFrame(rows, ("feature", "importance", "low", "high"), orient="row")
    return frame.sort("importance", descending=True, maintain_order=True)


def grouped(columns: Sequence[str], blocks: Sequence[str]) -> dict[str, list[str]]:
    """Return groups for `permutation_importance`: columns "<block> ..." together, each other column by itself."""
    groups: dict[str, list[str]] = {}
    for column in columns:
        block = column.partition(" ")[0]
        groups.setdefault(block if block in blocks else column, []).append(column)
    return groups


def _correlation(ranks: np.ndarray, predicted: np.ndarray) -> float:
    if np.ptp(ranks) == 0 or np.ptp(predicted) == 0:
        return 0.0
    return float(np.corrcoef(ranks, rankdata(predicted))[0, 1])
