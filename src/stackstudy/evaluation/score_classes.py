"""The five named classes of the study's exploration of scores, as an ordinal task."""

import numpy as np
from sklearn.metrics import confusion_matrix, f1_score

CLASSES = ("bad", "neutral", "good", "very good", "excellent")
TOPS = (-1, 0, 3, 20)  # highest score of each class but the last


def score_classes(scores: np.ndarray) -> np.ndarray:
    """Return the class of each whole score (n,): its place in CLASSES, int64 (n,)."""
    return np.searchsorted(TOPS, scores, side="left")


def class_numbers(actual: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Return f1_macro, accuracy and distance (mean steps from the true class) of predicted classes (n,).

    Macro F1 is over the classes that occur in `actual`: one that no question has cannot be found.
    """
    return {
        "f1_macro": float(f1_score(actual, predicted, labels=np.unique(actual), average="macro", zero_division=0)),
        "accuracy": float(np.mean(actual == predicted)),
        "distance": float(np.mean(np.abs(actual - predicted))),
    }


def class_confusion(actual: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return the number of questions of each class (row) by predicted class (column), int64 (5, 5)."""
    return confusion_matrix(actual, predicted, labels=np.arange(len(CLASSES)))
