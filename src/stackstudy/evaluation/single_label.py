"""The study's first task: one label a question, by majority vote of its tags, among labels with enough questions."""

from collections import Counter
from typing import NamedTuple

import numpy as np
import polars as pl
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from stackstudy.evaluation.predictions import Predictions, rows_of
from stackstudy.tagspace.space import TagSpace


class SingleLabel(NamedTuple):
    """The task on a question table: what is to be predicted, and for which rows."""

    classes: np.ndarray  # int64 (c,): the labels that are classes, ascending
    label: np.ndarray  # int64 (n,): position in `classes` of each question's label, -1 if it is none of them

    def rows(self, questions: pl.DataFrame, split: str) -> np.ndarray:
        """Return the rows of a split whose label is a class. ValueError: there are none."""
        rows = rows_of(questions, split)
        kept = rows[self.label[rows] >= 0]
        if not kept.size:
            raise ValueError(f"no {split} question has one of the {self.classes.size} classes: lower minimum_questions")
        return kept


def single_label(questions: pl.DataFrame, space: TagSpace, minimum_questions: int) -> SingleLabel:
    """Return the task with the labels that are the majority of `minimum_questions` or more training questions.

    The study counted over all its questions; here only training rows decide. ValueError: fewer than two are left.
    """
    majority = majority_labels(questions, space)
    train = majority[rows_of(questions, "train")]
    counts = np.bincount(train[train >= 0], minlength=len(space.names))
    classes = np.flatnonzero(counts >= minimum_questions)
    if classes.size < 2:
        enough = f"{minimum_questions} or more training questions"
        raise ValueError(f"{classes.size} labels are the majority of {enough}, two are needed: lower minimum_questions")
    position = np.full(len(space.names), -1)
    position[classes] = np.arange(classes.size)
    return SingleLabel(classes, np.where(majority >= 0, position[majority], -1))


def majority_labels(questions: pl.DataFrame, space: TagSpace) -> np.ndarray:
    """Return the label that most tags of each question belong to, int64 (n,); -1 where none of its tags has one.

    Of labels with equally many tags it is that of the tag listed first.
    """
    label_of = space.label_of
    votes = (Counter(label_of[tag] for tag in tags if tag in label_of) for tags in questions["tags"].to_list())
    return np.array([vote.most_common(1)[0][0] if vote else -1 for vote in votes], dtype=np.int64)


def measures(predictions: Predictions, questions: pl.DataFrame, task: SingleLabel) -> dict[str, float]:
    """Return weighted F1 and accuracy (means over seeds) of the likeliest class on the test rows of the task."""
    true, seeds = _choices(predictions, questions, task)
    f1 = [f1_score(true, chosen, average="weighted", zero_division=0) for chosen in seeds]
    accuracy = [accuracy_score(true, chosen) for chosen in seeds]
    sizes = {"classes": int(task.classes.size), "test_questions": int(true.size)}
    return {"f1_weighted": float(np.mean(f1)), "accuracy": float(np.mean(accuracy)), **sizes}


def confusion(predictions: Predictions, questions: pl.DataFrame, task: SingleLabel) -> np.ndarray:
    """Return the counts (c, c) of true (row) and likeliest (column) classes on the test rows, summed over seeds."""
    true, seeds = _choices(predictions, questions, task)
    classes = np.arange(task.classes.size)
    return np.sum([confusion_matrix(true, chosen, labels=classes) for chosen in seeds], axis=0)


def _choices(predictions: Predictions, questions: pl.DataFrame, task: SingleLabel) -> tuple[np.ndarray, np.ndarray]:
    rows = task.rows(questions, "test")
    return task.label[rows], predictions.at(rows)[..., task.classes].argmax(axis=2)
