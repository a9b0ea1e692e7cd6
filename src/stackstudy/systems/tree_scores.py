"""Score systems that are boosted trees, on text, on what is no text (age and stratum), and on both.

History: seed, round, train_loss and validation_loss (RMSE on the scale of the target).
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from stackstudy.evaluation.score_classes import CLASSES, score_classes
from stackstudy.evaluation.scores import inverse_signed_log, signed_log
from stackstudy.models.boosting import Rows, Trees, boost, matrix_of
from stackstudy.models.trees import discriminant_scores
from stackstudy.params import Boosting, ScoresBeyond, ScoresTraditional
from stackstudy.questions.features import controls, text_features, time_features
from stackstudy.systems.data import Data, Fitted, predictions_of
from stackstudy.systems.inputs import vectors_of
from stackstudy.systems.terms import components_of

OPTIONS = ("max_depth", "learning_rate", "min_child_weight", "subsample", "colsample_bytree")
SQUARED = {"objective": "reg:squarederror"}


def boosting(data: Data, parameters: ScoresTraditional, folder: Path) -> Fitted:
    """Predict the raw score from `word_features`, under squared error."""
    features, text = word_features(data, parameters)
    text.save(folder / "model" / "boosting-words")
    return _regress("boosting", features, data, parameters, folder, log=False)


def control(data: Data, parameters: ScoresBeyond, folder: Path, log: bool) -> Fitted:
    """Predict the score, or its signed log, from age and stratum alone: what needs no text."""
    return _regress("controls", controls(data.questions), data, parameters, folder, log)


def xgboost(data: Data, parameters: ScoresBeyond, folder: Path, log: bool) -> Fitted:
    """Predict the score, or its signed log, from `vector_features`, which know the text only."""
    return _regress("xgboost", vector_features(data), data, parameters, folder, log)


def xgboost_controls(data: Data, parameters: ScoresBeyond, folder: Path, log: bool) -> Fitted:
    """Predict the score, or its signed log, from text, age and stratum."""
    return _regress("xgboost-controls", text_and_controls(data), data, parameters, folder, log)


def word_features(data: Data, parameters: ScoresTraditional) -> tuple[pl.DataFrame, Any]:
    """Return SVD components of the TF-IDF ("words 1", ...), text features, hour and age; and the model of the words.

    The components are those of the first seed; other seeds only change the trees.
    """
    values, text = components_of(data, parameters.max_features, parameters.components, parameters.seeds[0])
    words = pl.DataFrame(values, schema=[f"words {i + 1}" for i in range(values.shape[1])])
    frames = words, text_features(data.questions), time_features(data.questions)
    return pl.concat(frames, how="horizontal"), text


@lru_cache(maxsize=1)
def vector_features(data: Data) -> pl.DataFrame:
    """Return what a ridge regression makes of the title and body vectors ("vectors ..."), and the text features.

    It is fitted to the signed log and to the indicators of the five classes; the trees see its six outputs instead of
    the vectors (see `discriminant_scores`), for training questions as if each had been left out.
    """
    scores, train = data.scores(), data.rows("train")
    vectors = vectors_of(data, "title", "body")
    targets = np.column_stack([signed_log(scores), np.eye(len(CLASSES))[score_classes(scores)]])
    if train.size < 2:
        raise ValueError("the question table has one train row: take more questions")
    left_out, linear = discriminant_scores(vectors[train], targets[train])
    values = linear(vectors)
    values[train] = left_out
    names = [f"vectors {name}" for name in ("log", *CLASSES)]
    return pl.concat([pl.DataFrame(values, schema=names), text_features(data.questions)], how="horizontal")


def text_and_controls(data: Data) -> pl.DataFrame:
    """Return `vector_features`, age, and a column per stratum ("stratum ...")."""
    return pl.concat([vector_features(data), controls(data.questions)], how="horizontal")


def grow(
    features: pl.DataFrame,
    targets: np.ndarray,
    objective: dict[str, Any],
    data: Data,
    parameters: Boosting,
    stage: str,
    among: Sequence[bool] | slice = slice(None),
) -> tuple[Trees, pl.DataFrame]:
    """Fit trees per seed on the training rows of `features` (n, f) and `targets` (n, ...); return them and losses.

    `among` is a mask (n,) of the rows that count.
    """
    values, used = matrix_of(features), np.zeros(len(features), bool)
    used[among] = True
    parts = (data.rows(split) for split in ("train", "validation"))
    train, validation = (Rows(values[rows], targets[rows]) for rows in (part[used[part]] for part in parts))
    options = parameters.model_dump(include=set(OPTIONS)) | objective
    boosters, histories = {}, []
    for seed in parameters.seeds:
        limits = parameters.rounds, parameters.patience, seed
        boosters[seed], history = boost(train, validation, options, *limits, f"{stage}, seed {seed}")
        histories.append(history)
    return Trees(tuple(features.columns), boosters), pl.concat(histories)


def _regress(system: str, features: pl.DataFrame, data: Data, parameters: Boosting, folder: Path, log: bool) -> Fitted:
    system = f"{system}-log" if log else system
    targets = signed_log(data.scores()) if log else data.scores()
    trees, history = grow(features, targets, SQUARED, data, parameters, system)
    trees.save(folder / "model" / system, {"target": "signed log" if log else "raw", "encoder": data.encoder})
    found = trees.predict(features[data.rows("validation", "test")])
    values = {seed: inverse_signed_log(value) if log else value for seed, value in found.items()}
    return Fitted(predictions_of(system, "scores", data, parameters, values), history, trees.nodes())
