"""Boosted trees on the body vector: one label a question as published, or all of its labels."""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import xgboost as xgb
from sklearn.utils.class_weight import compute_sample_weight

from stackstudy.devices import pick_device
from stackstudy.evaluation.single_label import single_label
from stackstudy.models.boosting import Rows, boost
from stackstudy.models.trees import TreeTagger, discriminant_scores
from stackstudy.params import TagsXGBoost
from stackstudy.systems.data import Apply, Data, Fitted, TagData, about_tags, predictions_of
from stackstudy.systems.inputs import vectors_of

SHARED = (
    "max_depth",
    "learning_rate",
    "min_child_weight",
    "colsample_bytree",
    "colsample_bylevel",
    "reg_alpha",
    "reg_lambda",
    "max_bin",
)


def xgboost(data: TagData, parameters: TagsXGBoost, folder: Path) -> Fitted:
    """Fit boosted trees per seed on the body vectors, and save them as ``folder/model``.

    Published: one softmax over the classes of `single_label`, balanced weights, all rounds; labels that are no class
    have probability 0, so that all systems can be judged alike. Corrected: a logistic loss for every label, on the
    discriminant scores of the vector. `device` is XGBoost's; it has no Metal, so "mps" computes on the processor.
    ValueError: too few classes, missing values in the vectors.
    """
    vectors = vectors_of(data, "body")
    task = (_published if parameters.protocol == "published" else _corrected)(data, parameters, vectors)
    boosted = {seed: _boost(task, parameters, seed) for seed in parameters.seeds}
    tagger = replace(task.tagger, boosters={seed: booster for seed, (booster, _) in boosted.items()})
    values = tagger.predict(vectors[data.rows("validation", "test")])
    predictions = predictions_of(parameters.name, "tags", data, parameters, values)
    tagger.save(folder / "model", about_tags(predictions, data, ["body"]))
    mapped = sum(array.size for array in tagger.features or ())
    return Fitted(predictions, pl.concat([history for _, history in boosted.values()]), tagger.nodes() + mapped)


def load(folder: Path) -> Apply:
    """Return a saved system of this module as a function of any questions."""
    tagger = TreeTagger.load(folder)

    def apply(data: Data, rows: np.ndarray) -> dict[int, np.ndarray]:
        return tagger.predict(vectors_of(data, "body")[rows])

    return apply


class _Task(NamedTuple):
    """What is to be learned, and the tagger that it gives once there are boosters."""

    objective: dict[str, Any]
    train: Rows
    validation: Rows
    tagger: TreeTagger


def _published(data: TagData, parameters: TagsXGBoost, vectors: np.ndarray) -> _Task:
    kept = single_label(data.questions, data.space, parameters.minimum_questions)
    objective = {"objective": "multi:softprob", "num_class": kept.classes.size, "eval_metric": "mlogloss"}
    train, validation = (kept.rows(data.questions, split) for split in ("train", "validation"))
    weights = compute_sample_weight("balanced", kept.label[train])
    tagger = TreeTagger({}, kept.classes, np.zeros(len(data.space.names), np.float32), None)
    rows = Rows(vectors[train], kept.label[train], weights), Rows(vectors[validation], kept.label[validation])
    return _Task(objective, *rows, tagger)


def _corrected(data: TagData, parameters: TagsXGBoost, vectors: np.ndarray) -> _Task:
    """Labels that all training questions have, or none, cannot be learned: they get that share as probability."""
    train, validation = data.rows("train"), data.rows("validation")
    labels = data.labels().astype(np.float32)
    shares = labels[train].mean(axis=0)
    columns = np.flatnonzero((shares > 0) & (shares < 1))
    if not columns.size:
        raise ValueError("every label is on all training questions or on none of them: there is nothing to learn")
    targets = labels[:, columns]
    scores, features = discriminant_scores(vectors[train], targets[train])
    objective = {"objective": "binary:logistic", "eval_metric": "logloss"}
    rows = Rows(scores, targets[train]), Rows(features(vectors[validation]), targets[validation])
    return _Task(objective, *rows, TreeTagger({}, columns, shares, features))


def _boost(task: _Task, parameters: TagsXGBoost, seed: int) -> tuple[xgb.Booster, pl.DataFrame]:
    device = pick_device(parameters.device)
    options = parameters.model_dump(include=set(SHARED)) | task.objective
    options["device"] = "cpu" if device == "mps" else device
    limits = parameters.rounds, parameters.patience
    return boost(task.train, task.validation, options, *limits, seed, f"boosting, seed {seed}", parameters.workers)
