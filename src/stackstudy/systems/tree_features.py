"""What the trees of score systems see of a question, and how to see new questions in the same way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import polars as pl

from stackstudy.evaluation.score_classes import CLASSES, score_classes
from stackstudy.evaluation.scores import signed_log
from stackstudy.models.files import read_model
from stackstudy.models.text import TextRegressor
from stackstudy.models.trees import LinearMap, discriminant_scores
from stackstudy.params import ScoresTraditional
from stackstudy.questions.features import Sample, controls, text_features, time_features
from stackstudy.systems.data import Data
from stackstudy.systems.inputs import vectors_of
from stackstudy.systems.terms import components_of, texts_of

BOTH = ("title", "body")
WORDS = "words"  # folder of the model of words, beside the trees
Part = Literal["words", "vectors", "text", "time", "controls"]
PART_OF_VECTORS = tuple(f"vectors {name}" for name in ("log", *CLASSES))


@dataclass(frozen=True, eq=False)
class Features:
    """Parts that stand side by side in a table, and what of them was fitted on training questions."""

    parts: tuple[Part, ...]
    sample: Sample  # what age and strata are relative to
    words: TextRegressor | None = None  # of the part "words"
    vectors: LinearMap | None = None  # of the part "vectors"

    @property
    def streams(self) -> tuple[str, ...]:
        """Return the embedding streams that are read."""
        return BOTH if "vectors" in self.parts else ()

    def of(self, data: Data, rows: np.ndarray, known: Mapping[Part, np.ndarray] | None = None) -> pl.DataFrame:
        """Return the features of the questions in `rows` (r,), Float32 (r, f).

        A part that is `known`, with its values (n, c) for all questions, is not computed.
        """
        given = known or {}
        return pl.concat([self._part(part, data, rows, given.get(part)) for part in self.parts], how="horizontal")

    def _part(self, part: Part, data: Data, rows: np.ndarray, known: np.ndarray | None) -> pl.DataFrame:
        questions = data.questions[rows]
        match part:
            case "words":
                values = self.words.predict(texts_of(questions)).T if known is None else known[rows]
                return _frame(values, [f"words {i + 1}" for i in range(values.shape[1])])
            case "vectors":
                values = self.vectors(vectors_of(data, *BOTH)[rows]) if known is None else known[rows]
                return _frame(values, PART_OF_VECTORS)
            case "text":
                return text_features(questions)
            case "time":
                return time_features(questions, self.sample)
            case "controls":
                return controls(questions, self.sample)

    def about(self) -> dict[str, Any]:
        """Return all but what was fitted, for a JSON file."""
        newest = self.sample.newest
        about = {"parts": self.parts, "newest": newest and newest.isoformat(), "strata": self.sample.strata}
        return about | {"streams": self.streams}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the numbers of the map of vectors."""
        return self.vectors._asdict() if self.vectors else {}

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the features of a saved model: `about`, `arrays`, and the model of words in its folder."""
        about, arrays = read_model(folder)
        newest = about["newest"] and datetime.fromisoformat(about["newest"])
        words = TextRegressor.load(folder / WORDS) if "words" in about["parts"] else None
        vectors = LinearMap(arrays["weights"], arrays["intercepts"]) if "vectors" in about["parts"] else None
        return cls(tuple(about["parts"]), Sample(newest, tuple(about["strata"])), words, vectors)


def word_features(data: Data, parameters: ScoresTraditional) -> tuple[pl.DataFrame, Features]:
    """Return SVD components of the TF-IDF ("words 1", ...), text features, hour and age; and how they are made.

    The components are those of the first seed; other seeds only change the trees.
    """
    values, words = components_of(data, parameters.max_features, parameters.components, parameters.seeds[0])
    features = Features(("words", "text", "time"), Sample.of(data.questions), words=words)
    return features.of(data, _everything(data), {"words": values}), features


def control_features(data: Data) -> tuple[pl.DataFrame, Features]:
    """Return age, and a column per stratum ("stratum ..."); and how they are made."""
    features = Features(("controls",), Sample.of(data.questions))
    return features.of(data, _everything(data)), features


@lru_cache(maxsize=1)  # several systems of a notebook ask for the same ones
def vector_features(data: Data) -> tuple[pl.DataFrame, Features]:
    """Return what a ridge regression makes of the title and body vectors ("vectors ..."), and the text features.

    It is fitted to the signed log and to the indicators of the five classes; the trees see its six outputs instead of
    the vectors (see `discriminant_scores`), for training questions as if each had been left out. And how they are made.
    """
    values, linear = _discriminants(data)
    features = Features(("vectors", "text"), Sample.of(data.questions), vectors=linear)
    return features.of(data, _everything(data), {"vectors": values}), features


def text_and_controls(data: Data) -> tuple[pl.DataFrame, Features]:
    """Return `vector_features` with `control_features` beside them, and how they are made."""
    (text, features), (others, _) = vector_features(data), control_features(data)
    both = replace(features, parts=(*features.parts, "controls"))
    return pl.concat([text, others], how="horizontal"), both


def _frame(values: np.ndarray, names: Sequence[str]) -> pl.DataFrame:
    return pl.DataFrame(values.astype(np.float32), schema=list(names))


def _everything(data: Data) -> np.ndarray:
    return np.arange(len(data.questions))


def _discriminants(data: Data) -> tuple[np.ndarray, LinearMap]:
    """Return the six outputs for all questions (n, 6), and the map that gives them for those not learned from."""
    scores, train = data.scores(), data.rows("train")
    if train.size < 2:
        raise ValueError("the question table has one train row: take more questions")
    vectors = vectors_of(data, *BOTH)
    targets = np.column_stack([signed_log(scores), np.eye(len(CLASSES))[score_classes(scores)]])
    left_out, linear = discriminant_scores(vectors[train], targets[train])
    values = np.empty((len(vectors), left_out.shape[1]), np.float32)
    others = data.rows("validation", "test")
    values[train], values[others] = left_out, linear(vectors[others])
    return values, linear
