"""What every system is given and gives back: one signature for all, so that a table compares like with like.

A system is a function ``(data, parameters, folder) -> Fitted``. It fits on training rows, chooses on validation rows,
predicts validation and test rows once per seed, and writes what it needs to be used again under ``folder/model``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import polars as pl

from stackstudy.evaluation.predictions import Predictions, rows_of
from stackstudy.params import Parameters
from stackstudy.questions.schema import row_hash
from stackstudy.tagspace.space import TagSpace


@dataclass(frozen=True, eq=False)
class Data:
    """The question table, and the embedding streams (n, ...) that the system reads."""

    questions: pl.DataFrame
    streams: Mapping[str, np.ndarray] = field(default_factory=dict)
    encoder: str = ""  # model id of the streams

    def rows(self, *splits: str) -> np.ndarray:
        """Return the rows (int64, ascending) of one or more splits. ValueError: a split has none."""
        return rows_of(self.questions, *splits)

    def stream(self, name: str) -> np.ndarray:
        """Return an embedding stream (n, ...). ValueError: it was not given, or has another number of rows."""
        if name not in self.streams:
            raise ValueError(f"this system reads the embedding stream {name!r}; given are {sorted(self.streams)}")
        if len(self.streams[name]) != len(self.questions):
            found = f"{len(self.streams[name])} vectors for {len(self.questions)} questions"
            raise ValueError(f"embedding stream {name!r} has {found}: embed these questions")
        return self.streams[name]


@dataclass(frozen=True, eq=False)
class TagData(Data):
    """With the label space that tag systems predict."""

    space: TagSpace = field(kw_only=True)

    def labels(self, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Return the labels of `rows`: bool (r, k)."""
        return self.space.labels[rows].toarray()


@dataclass(frozen=True, eq=False)
class Fitted:
    """What a system gives back."""

    predictions: Predictions
    history: pl.DataFrame  # how choices were made: a row per seed and epoch, or per seed and penalty


def predictions_of(
    system: str, kind: Literal["tags", "scores"], data: Data, parameters: Parameters, values: Mapping[int, np.ndarray]
) -> Predictions:
    """Return the predictions of a system for the validation and test rows, from `values`: seed -> (m, ...)."""
    about: dict[str, Any] = parameters.model_dump(mode="json")
    rows = data.rows("validation", "test")
    return Predictions(system, kind, row_hash(data.questions), rows, list(values), np.stack([*values.values()]), about)
