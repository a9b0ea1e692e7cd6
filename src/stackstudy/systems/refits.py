"""Cheap systems fitted anew on other splits: what a choice that was made before any training decides."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np
import polars as pl
from sklearn.linear_model import Ridge

from stackstudy.evaluation.predictions import Predictions
from stackstudy.params import TagsBaselines
from stackstudy.questions.schema import row_hash
from stackstudy.questions.split import random_split
from stackstudy.runs import progress
from stackstudy.systems.baselines import k_nearest
from stackstudy.systems.data import Data, TagData
from stackstudy.systems.inputs import vectors_of

PENALTIES = (1.0, 10.0, 100.0, 1000.0)  # of the squared weights, on vectors of about unit length
D = TypeVar("D", bound=Data)


def resplit(data: D, seed: int, *, by_group: bool) -> D:
    """Return the same questions in a random split, whose pieces are groups of near-duplicates or single questions.

    With the same seed both have the same split but for the near-duplicates. The label space is left as it is.
    """
    pieces = data.questions["group"].to_numpy() if by_group else np.arange(len(data.questions))
    return replace(data, questions=data.questions.with_columns(split=pl.Series(random_split(pieces, seed))))


def on_splits(
    data: D, system: Callable[[D], Predictions], count: int, *, by_group: bool = True
) -> list[tuple[pl.DataFrame, Predictions]]:
    """Fit a system on `count` random splits; return the questions in each, and what it predicts there."""
    found = []
    for seed in range(count):
        again = resplit(data, seed, by_group=by_group)
        found.append((again.questions, system(again)))
        progress.report(f"splits by {'group' if by_group else 'question'}", seed + 1, count)
    return found


def nearest(data: TagData, parameters: TagsBaselines) -> Predictions:
    """Return what `k_nearest` predicts; the model is not kept."""
    with TemporaryDirectory() as folder:
        return k_nearest(data, parameters, Path(folder)).predictions


def vector_ridge(data: Data) -> Predictions:
    """Return the raw scores that ridge regression on title and body vector predicts.

    Of `PENALTIES` the one with the lowest squared error on validation rows is taken.
    """
    vectors, scores = vectors_of(data, "title", "body"), data.scores()
    train, validation, rows = data.rows("train"), data.rows("validation"), data.rows("validation", "test")
    fits = [Ridge(penalty).fit(vectors[train], scores[train]) for penalty in PENALTIES]
    errors = [np.mean((fit.predict(vectors[validation]) - scores[validation]) ** 2) for fit in fits]
    values = fits[int(np.argmin(errors))].predict(vectors[rows])
    return Predictions("vector-ridge", "scores", row_hash(data.questions), rows, np.array([0]), values[None])
