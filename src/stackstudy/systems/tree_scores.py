"""Score systems that are boosted trees, on text, on what is no text (age and stratum), and on both.

History: seed, round, train_loss and validation_loss (RMSE on the scale of the target).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl

from stackstudy.evaluation.scores import inverse_signed_log, signed_log
from stackstudy.models.boosting import Rows, Trees, boost, matrix_of
from stackstudy.models.files import read_model
from stackstudy.params import Boosting, ScoresBeyond, ScoresTraditional
from stackstudy.systems.data import Apply, Data, Fitted, predictions_of
from stackstudy.systems.tree_features import (
    WORDS,
    Features,
    control_features,
    text_and_controls,
    vector_features,
    word_features,
)

OPTIONS = ("max_depth", "learning_rate", "min_child_weight", "subsample", "colsample_bytree")
SQUARED = {"objective": "reg:squarederror"}
Seen = tuple[pl.DataFrame, Features]  # of all questions, and how they are made


def boosting(data: Data, parameters: ScoresTraditional, folder: Path) -> Fitted:
    """Predict the raw score from `word_features`, under squared error."""
    return _regress("boosting", word_features(data, parameters), data, parameters, folder, log=False)


def control(data: Data, parameters: ScoresBeyond, folder: Path, log: bool) -> Fitted:
    """Predict the score, or its signed log, from age and stratum alone: what needs no text."""
    return _regress("controls", control_features(data), data, parameters, folder, log)


def xgboost(data: Data, parameters: ScoresBeyond, folder: Path, log: bool) -> Fitted:
    """Predict the score, or its signed log, from `vector_features`, which know the text only."""
    return _regress("xgboost", vector_features(data), data, parameters, folder, log)


def xgboost_controls(data: Data, parameters: ScoresBeyond, folder: Path, log: bool) -> Fitted:
    """Predict the score, or its signed log, from text, age and stratum."""
    return _regress("xgboost-controls", text_and_controls(data), data, parameters, folder, log)


def load(folder: Path) -> Apply:
    """Return a saved system of this module as a function of any questions."""
    about, _ = read_model(folder)
    grown = Grown.load(folder)

    def apply(data: Data, rows: np.ndarray) -> dict[int, np.ndarray]:
        return _scores(grown.predict(data, rows), about["log"])

    return apply


@dataclass(frozen=True, eq=False)
class Grown:
    """Trees, and how they see a question."""

    trees: Trees
    features: Features

    def predict(self, data: Data, rows: np.ndarray) -> dict[int, np.ndarray]:
        """Return the outputs, float32 (r,) or (r, outputs), by seed, for the questions in `rows` (r,)."""
        return self.trees.predict(self.features.of(data, rows))

    def save(self, folder: Path, about: Mapping[str, Any]) -> None:
        """Write `folder` anew; `about` is what else is needed to use it."""
        self.trees.save(folder, {**about, **self.features.about()}, self.features.arrays())
        if self.features.words:
            self.features.words.save(folder / WORDS)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote. FileNotFoundError: there is no model."""
        return cls(Trees.load(folder), Features.load(folder))


def grow(
    seen: Seen,
    targets: np.ndarray,
    objective: dict[str, Any],
    data: Data,
    parameters: Boosting,
    stage: str,
    among: Sequence[bool] | slice = slice(None),
) -> tuple[Grown, pl.DataFrame]:
    """Fit trees per seed on the training rows of features (n, f) and `targets` (n, ...); return them and losses.

    `among` is a mask (n,) of the rows that count.
    """
    frame, features = seen
    values, used = matrix_of(frame), np.zeros(len(frame), bool)
    used[among] = True
    parts = (data.rows(split) for split in ("train", "validation"))
    train, validation = (Rows(values[rows], targets[rows]) for rows in (part[used[part]] for part in parts))
    options = parameters.model_dump(include=set(OPTIONS)) | objective
    boosters, histories = {}, []
    for seed in parameters.seeds:
        limits = parameters.rounds, parameters.patience, seed
        boosters[seed], history = boost(train, validation, options, *limits, f"{stage}, seed {seed}")
        histories.append(history)
    return Grown(Trees(tuple(frame.columns), boosters), features), pl.concat(histories)


def _regress(system: str, seen: Seen, data: Data, parameters: Boosting, folder: Path, log: bool) -> Fitted:
    system = f"{system}-log" if log else system
    targets = signed_log(data.scores()) if log else data.scores()
    grown, history = grow(seen, targets, SQUARED, data, parameters, system)
    grown.save(folder / "model" / system, {"class": "Regression", "log": log, "encoder": data.encoder})
    values = _scores(grown.trees.predict(seen[0][data.rows("validation", "test")]), log)
    return Fitted(predictions_of(system, "scores", data, parameters, values), history, grown.trees.nodes())


def _scores(outputs: Mapping[int, np.ndarray], log: bool) -> dict[int, np.ndarray]:
    """Return scores (n,) by seed from the outputs (n,), which are signed logs or the scores themselves."""
    return {seed: inverse_signed_log(values) if log else values for seed, values in outputs.items()}
