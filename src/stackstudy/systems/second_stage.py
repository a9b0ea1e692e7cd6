"""Boosted trees that decide on pairs of a question and a label, from what the kernel systems say of both.

The trees do not know which label it is, so what they learn of one holds for all: a label with few training questions
is not on its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
import xgboost as xgb

from stackstudy.models.boosting import Rows, boost, load_boosters, nodes_of, save_boosters
from stackstudy.models.words import Words
from stackstudy.params import TagsCombined
from stackstudy.systems.data import Apply, Data, Fitted, TagData, about_tags, predictions_of
from stackstudy.systems.inputs import vectors_of
from stackstudy.systems.kernels import KERNELS, STREAMS, KernelTagger, left_out
from stackstudy.systems.members import described, found
from stackstudy.tagspace.kmeans import unit_vectors

SYSTEM = "second-stage"
HYBRID = "hybrid-kernel"
OPTIONS = ("max_depth", "learning_rate", "min_child_weight", "subsample", "colsample_bytree")
OBJECTIVE = {"objective": "binary:logistic", "eval_metric": "logloss"}
FEATURES = (
    *KERNELS,  # probabilities
    *(f"{name}_cosine" for name in STREAMS),  # to the label's centroid, less the mean over training questions
    *(f"in_{name}" for name in STREAMS),  # 1 where a tag of the label is named there
    "rank",  # of the label among those of the question, by the hybrid kernel
    "highest",  # probability of a label of the question
    "expected",  # number of labels of the question
    "companions",  # expected number of its other labels that have this one as a companion
    "frequency",  # share of the training questions with the label
)


Probabilities = Mapping[str, np.ndarray]  # (r, k) of each kernel system


def second_stage(data: TagData, parameters: TagsCombined, folder: Path, kernels: Path) -> Fitted:
    """Fit boosted trees per seed to pairs of a training question and a label; save them as ``folder/model/<system>``.

    Of training questions the trees see what the kernel systems of the run folder `kernels` say of them when left out:
    a system is too sure of what it has learned from (stacking; Wolpert 1992). Boosting ends by the loss on pairs of
    validation questions.
    """
    members = [described(kernels, name) for name in KERNELS]
    taggers = {name: KernelTagger.load(kernels / "model" / name) for name in KERNELS}
    pairs = Pairs.learn(data, taggers)
    train, validation, rows = (data.rows(*splits) for splits in (("train",), ("validation",), ("validation", "test")))
    seen = Rows(pairs(data, train, {name: left_out(kernels, name) for name in KERNELS}), data.labels(train).ravel())
    asked = pairs(data, rows, _probabilities(taggers, data, rows))
    chosen = np.isin(rows, validation).repeat(len(data.space.names))
    choose = Rows(asked[chosen], data.labels(validation).ravel())
    options = parameters.model_dump(include=set(OPTIONS)) | OBJECTIVE
    boosters, histories = {}, []
    for seed in parameters.seeds:
        limits = parameters.rounds, parameters.patience, seed
        boosters[seed], history = boost(seen, choose, options, *limits, f"{SYSTEM}, seed {seed}")
        histories.append(history)
    predictions = predictions_of(SYSTEM, "tags", data, parameters, _decide(boosters, asked, rows.size))
    about = {"class": "SecondStage", "members": members, **about_tags(predictions, data, STREAMS)}
    save_boosters(folder / "model" / SYSTEM, boosters, about, pairs.arrays())
    return Fitted(predictions, pl.concat(histories), nodes_of(boosters))


def load(folder: Path) -> Apply:
    """Return a saved system of this module as a function of any questions; its members are in the runs beside its own.

    FileNotFoundError, ValueError: they are not there, or have changed.
    """
    boosters, about, arrays = load_boosters(folder)
    taggers = {member["system"]: KernelTagger.load(found(folder, member)) for member in about["members"]}
    pairs = Pairs(**arrays, words=taggers["word-kernel"].views.words)

    def apply(data: Data, rows: np.ndarray) -> dict[int, np.ndarray]:
        return _decide(boosters, pairs(data, rows, _probabilities(taggers, data, rows)), rows.size)

    return apply


@dataclass(frozen=True, eq=False)
class Pairs:
    """What turns questions and the probabilities of the kernel systems into the features of pairs."""

    words: Words  # that find named tags
    centroids: np.ndarray  # float32 (k, d), unit length
    cosine_means: np.ndarray  # float32 (2, k): of title and body to each centroid
    companions: np.ndarray  # float32 (k, k): how probable label j makes label i, 0 on the diagonal
    frequency: np.ndarray  # float32 (k,)

    @classmethod
    def learn(cls, data: TagData, taggers: Mapping[str, KernelTagger]) -> Self:
        """Learn from the training questions."""
        train = data.rows("train")
        labels = data.labels(train).astype(np.float32)
        together = labels.T @ labels
        companions = together / np.maximum(together.diagonal(), 1)[:, None]
        np.fill_diagonal(companions, 0)
        means = [_cosines(data, name, train, data.space.centroids).mean(axis=0) for name in STREAMS]
        words = taggers["word-kernel"].views.words
        return cls(words, data.space.centroids, np.stack(means), companions, labels.mean(axis=0))

    def __call__(self, data: Data, rows: np.ndarray, probabilities: Probabilities) -> np.ndarray:
        """Return `FEATURES`, float32 (r * k, f), of the questions in `rows` (r,), all labels of a question in a row."""
        texts, best = data.questions[rows], probabilities[HYBRID]
        columns = [probabilities[name] for name in KERNELS]
        for name, mean in zip(STREAMS, self.cosine_means, strict=True):
            columns.append(_cosines(data, name, rows, self.centroids) - mean)
        columns += [self.words.named(texts[name])[1].toarray() for name in STREAMS]
        columns += [(-best).argsort(axis=1, kind="stable").argsort(axis=1), best.max(axis=1, keepdims=True)]
        columns += [best.sum(axis=1, keepdims=True), best @ self.companions, self.frequency]
        return np.stack([np.broadcast_to(each, best.shape) for each in columns], axis=2, dtype=np.float32).reshape(
            -1, len(FEATURES)
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all but the words, which are those of the word kernel."""
        return {name: getattr(self, name) for name in ("centroids", "cosine_means", "companions", "frequency")}


def _cosines(data: Data, stream: str, rows: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Return the cosines (r, k) of the vectors of `rows` (r,) to the centroids (k, d)."""
    return (unit_vectors(vectors_of(data, stream)[rows]) @ centroids.T).astype(np.float32)


def _probabilities(taggers: Mapping[str, KernelTagger], data: Data, rows: np.ndarray) -> Probabilities:
    return {name: tagger(data, rows) for name, tagger in taggers.items()}


def _decide(boosters: Mapping[int, xgb.Booster], pairs: np.ndarray, questions: int) -> dict[int, np.ndarray]:
    """Return probabilities (questions, k) by seed for the features of all pairs."""
    matrix = xgb.DMatrix(pairs)
    return {seed: booster.predict(matrix).reshape(questions, -1) for seed, booster in boosters.items()}
