"""Every score system asked for one of the five named classes, so that one that predicts classes meets its like."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from stackstudy.evaluation.bootstrap import Metrics, RowSums
from stackstudy.evaluation.extras import load_extras
from stackstudy.evaluation.predictions import Predictions, rows_of
from stackstudy.evaluation.score_classes import CLASSES, class_confusion, score_classes


def class_systems(
    predictions: Sequence[Predictions], questions: pl.DataFrame, known: Mapping[str, np.ndarray]
) -> dict[str, list[RowSums]]:
    """Return what the class metrics of each system need on test rows: system -> one entry per seed.

    `known` holds the classes (s, test rows) of systems that predict them; those of the others are the classes in which
    their scores fall, rounded.
    """
    test = rows_of(questions, "test")
    actual = score_classes(questions["score"].to_numpy()[test])
    found = {each.system: score_classes(np.rint(each.at(test))) for each in predictions} | dict(known)
    return {name: [row_sums(actual, of_seed) for of_seed in classes] for name, classes in found.items()}


def load_classes(system: str, folder: Path, questions: pl.DataFrame) -> np.ndarray:
    """Return the classes (s, test rows) that a system of this run predicts."""
    return load_extras(folder, system, rows_of(questions, "test"))["classes"]


def mean_confusion(classes: np.ndarray, questions: pl.DataFrame) -> np.ndarray:
    """Return the counts (c, c) of true (row) and predicted (column) classes (s, test rows), means over seeds."""
    actual = score_classes(questions["score"].to_numpy()[rows_of(questions, "test")])
    return np.mean([class_confusion(actual, of_seed) for of_seed in classes], axis=0)


def row_sums(actual: np.ndarray, predicted: np.ndarray) -> RowSums:
    """Return what the metrics of `score_classes.class_numbers` need of predicted classes (n,)."""
    true, given = (np.equal.outer(each, np.arange(len(CLASSES))) for each in (actual, predicted))
    columns = [true & given, true, given, np.abs(actual - predicted)[:, None], np.ones((len(actual), 1))]
    return RowSums((np.hstack(columns).astype(np.float64),), _metrics)


def _metrics(sums: np.ndarray) -> Metrics:
    hits, true, given = np.split(sums[: 3 * len(CLASSES)], 3)
    distance, count = sums[3 * len(CLASSES) :]
    occurs = true > 0
    f1 = np.where(occurs, 2 * hits / np.where(occurs, true + given, 1), 0)
    return {
        "f1_macro": f1.sum(axis=0) / occurs.sum(axis=0),
        "accuracy": hits.sum(axis=0) / count,
        "distance": distance / count,
    }
