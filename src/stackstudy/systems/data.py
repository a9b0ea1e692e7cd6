"""What every system is given and gives back: one signature for all, so that a table compares like with like.

A system is a function ``(data, parameters, folder) -> Fitted``. It fits on training rows, chooses on validation rows,
predicts validation and test rows once per seed, and writes what it needs to be used again under ``folder/model``.
The module of a system also has ``load(folder) -> Apply``, which gives back the function that made those predictions.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from stackstudy.evaluation.predictions import Predictions, rows_of
from stackstudy.evaluation.thresholds import thresholds
from stackstudy.params import Parameters
from stackstudy.questions.schema import row_hash
from stackstudy.runs.environment import peak_memory_mb
from stackstudy.runs.products import save_json
from stackstudy.tagspace.space import TagSpace

CHUNKS = ("body_chunks", "body_chunks_offsets")  # the one stream that is not (n, ...)


@dataclass(frozen=True, eq=False)
class Data:
    """The question table, and the embedding streams (n, ...) that the system reads."""

    questions: pl.DataFrame
    streams: Mapping[str, np.ndarray] = field(default_factory=dict)
    encoder: str = ""  # model id of the streams

    def within(self, strata: Sequence[str] | None) -> "Data":
        """Return the questions of some strata alone, with their streams; None: all. ValueError: no such stratum."""
        if strata is None:
            return self
        known = self.questions["stratum"].drop_nulls().unique().sort().to_list()
        if unknown := sorted(set(strata) - set(known)):
            there = f"there are {', '.join(known)}" if known else "these questions have none"
            raise ValueError(f"parameter strata: no question is of the stratum {unknown[0]}; {there}")
        return self.take(np.flatnonzero(self.questions["stratum"].is_in(strata).fill_null(False).to_numpy()))

    def take(self, rows: np.ndarray) -> "Data":
        """Return the questions in `rows` (r,) alone, in that order, with their streams."""
        streams = {name: self.stream(name)[rows] for name in self.streams if name not in CHUNKS}
        if CHUNKS[0] in self.streams:
            streams |= zip(CHUNKS, _lists(*(self.streams[name] for name in CHUNKS), rows), strict=True)
        return Data(self.questions[rows], streams, self.encoder)

    def scores(self) -> np.ndarray:
        """Return the scores, float64 (n,). ValueError, naming the row: one is missing or infinite."""
        scores = self.questions["score"].cast(pl.Float64).to_numpy()
        if (wrong := np.flatnonzero(~np.isfinite(scores))).size:
            found = f"{scores[wrong[0]]} ({wrong.size} such rows)"
            raise ValueError(f"question table: row {wrong[0]}, column score: a finite number is needed, found {found}")
        return scores

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
    size: int  # numbers that one seed has learned
    earlier_seconds: float = 0.0  # that earlier calls spent on trainings which this one took up


# A saved system: from questions, with the streams that it reads, and rows (r,) of them to what it predicts by seed,
# probabilities (r, k) or scores (r,).
Apply = Callable[[Data, np.ndarray], dict[int, np.ndarray]]


def _lists(vectors: np.ndarray, offsets: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the lists of `rows` (r,) among lists that stand end to end, and their offsets (r + 1,)."""
    starts, lengths = offsets[rows], np.diff(offsets)[rows]
    ends = np.concatenate([[0], np.cumsum(lengths)])
    return vectors[np.arange(ends[-1]) + np.repeat(starts - ends[:-1], lengths)], ends


def fit(system: Callable[..., Fitted], data: Data, parameters: Parameters, folder: Path) -> Fitted:
    """Call a system, and add what it cost to ``folder/cost.json``: size, seconds, peak memory of the process so far.

    Seconds of trainings that were taken up from an earlier call count as well.
    """
    since = time.monotonic()
    fitted = system(data, parameters, folder)
    seconds = time.monotonic() - since + fitted.earlier_seconds
    cost = {"size": fitted.size, "seconds": seconds, "peak_memory_mb": peak_memory_mb()}
    path = folder / "cost.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    save_json(known | {fitted.predictions.system: cost}, path)
    return fitted


def about_tags(predictions: Predictions, data: TagData, streams: Sequence[str]) -> dict[str, Any]:
    """Return what is needed of a tag system besides its numbers to use it on new questions."""
    return {
        "seeds": predictions.seeds.tolist(),
        "thresholds": [np.asarray(cut).tolist() for cut in thresholds(predictions, data.questions, data.space.labels)],
        "streams": list(streams),
        "labels": data.space.names,
        "encoder": data.encoder,
    }


def predictions_of(
    system: str, kind: Literal["tags", "scores"], data: Data, parameters: Parameters, values: Mapping[int, np.ndarray]
) -> Predictions:
    """Return the predictions of a system for the validation and test rows, from `values`: seed -> (m, ...)."""
    about: dict[str, Any] = parameters.model_dump(mode="json")
    rows = data.rows("validation", "test")
    return Predictions(system, kind, row_hash(data.questions), rows, list(values), np.stack([*values.values()]), about)
