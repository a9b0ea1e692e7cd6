"""Predictions of one system on validation and test rows: the primary result, from which all metrics follow."""

import json
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from stackstudy.paths import replacing
from stackstudy.questions.schema import row_hash

ARRAYS = ("rows", "seeds", "values")


def rows_of(questions: pl.DataFrame, *splits: str) -> np.ndarray:
    """Return the rows (int64, ascending) of "train", "validation" or "test". ValueError: a split has none."""
    for split in splits:
        if not (questions["split"] == split).any():
            raise ValueError(f"the question table has no {split} rows: take more questions")
    return np.flatnonzero(questions["split"].is_in(splits).to_numpy())


def places_of(rows: np.ndarray, among: np.ndarray, nothing: str) -> np.ndarray:
    """Return where `rows` (r,) stand `among` the ascending ones that there are (m,).

    ValueError: a row is missing; `nothing` says where, and what there is not for it.
    """
    places = np.searchsorted(among, rows).clip(max=len(among) - 1)
    if (missing := np.flatnonzero(among[places] != rows)).size:
        raise ValueError(f"{nothing} for row {rows[missing[0]]} ({missing.size} rows missing)")
    return places


@dataclass(frozen=True, eq=False)
class Predictions:
    """What one system predicts for the validation and test rows, once for each seed.

    ValueError, naming the system: arrays that do not fit together, missing or infinite values, or probabilities
    outside 0 to 1.
    """

    system: str
    kind: Literal["tags", "scores"]
    row_hash: str  # of the question table that `rows` are positions in
    rows: np.ndarray  # int64 (m,), ascending
    seeds: np.ndarray  # int64 (s,)
    values: np.ndarray  # float32: probabilities (s, m, k) or scores (s, m)
    parameters: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, dtype in (("rows", np.int64), ("seeds", np.int64), ("values", np.float32)):
            object.__setattr__(self, name, np.ascontiguousarray(getattr(self, name), dtype=dtype))
        self._check_shapes()
        self._check_values()

    def at(self, rows: np.ndarray) -> np.ndarray:
        """Return the values at `rows` (r,) of the question table: (s, r, k) or (s, r). ValueError: a row is missing."""
        return self.values[:, places_of(rows, self.rows, f"{self._where}: no prediction")]

    def save(self, path: Path) -> None:
        """Write all as one npz without pickle; the same predictions give the same bytes."""
        about = {"system": self.system, "kind": self.kind, "row_hash": self.row_hash, "parameters": self.parameters}
        arrays = {name: getattr(self, name) for name in ARRAYS}
        with replacing(path) as fresh, fresh.open("wb") as file:
            np.savez(file, about=np.array(json.dumps(about, sort_keys=True)), **arrays)

    @classmethod
    def load(cls, path: Path) -> "Predictions":
        """Read what `save` wrote. FileNotFoundError or ValueError, naming the file: it is not there, or is not one."""
        if not Path(path).exists():
            raise FileNotFoundError(f"no predictions at {path}: run the experiment that makes them")
        try:
            with np.load(path, allow_pickle=False) as file:
                return cls(**json.loads(str(file["about"])), **{name: file[name] for name in ARRAYS})
        except (KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path} does not hold predictions that can be used: {error}") from None

    @property
    def _where(self) -> str:
        return f"predictions of {self.system}"

    def _check_shapes(self) -> None:
        dimensions = {"tags": 3, "scores": 2}
        if self.kind not in dimensions:
            raise ValueError(f"{self._where}: kind must be tags or scores, found {self.kind!r}")
        shape = self.values.shape
        if len(shape) != dimensions[self.kind] or shape[:2] != (*self.seeds.shape, *self.rows.shape) or 0 in shape:
            expected = f"({self.seeds.size} seeds, {self.rows.size} rows{', labels' if self.kind == 'tags' else ''})"
            raise ValueError(f"{self._where}: values must have the shape {expected}, found {shape}")
        if self.rows[0] < 0 or (np.diff(self.rows) <= 0).any():
            raise ValueError(f"{self._where}: rows must be positions in ascending order, without repeats")
        if np.unique(self.seeds).size < self.seeds.size:
            raise ValueError(f"{self._where}: a seed occurs twice among {self.seeds.tolist()}")

    def _check_values(self) -> None:
        wrong, rule = ~np.isfinite(self.values), "missing or infinite"
        if self.kind == "tags" and not wrong.any():
            wrong, rule = (self.values < 0) | (self.values > 1), "not a probability (0 to 1)"
        if wrong.any():
            seed, row = np.argwhere(wrong)[0][:2]
            value = self.values[seed, row].ravel()[0] if self.kind == "scores" else self.values[wrong][0]
            raise ValueError(
                f"{self._where}: row {self.rows[row]}, seed {self.seeds[seed]}: {value} is {rule}"
                f" ({int(wrong.sum())} such values)"
            )


def load_all(folders: Iterable[Path]) -> list[Predictions]:
    """Return the predictions in run folders, in the order of folders and names. FileNotFoundError: there are none."""
    folders = list(folders)
    found = [path for folder in folders for path in sorted((folder / "predictions").glob("*.npz"))]
    if not found:
        raise FileNotFoundError(f"no predictions in {', '.join(map(str, folders)) or 'no run'}: run a system first")
    return [Predictions.load(path) for path in found]


def check_comparable(predictions: Sequence[Predictions], kind: str, questions: pl.DataFrame) -> None:
    """Check that predictions can stand in one table on `questions`.

    ValueError, naming the system: another kind, another question table, or a name that occurs twice.
    """
    names = [each.system for each in predictions]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two predictions are called {twice[0]}: rename one of them")
    expected = row_hash(questions)
    for each in predictions:
        if each.kind != kind:
            raise ValueError(f"predictions of {each.system} are {each.kind}, expected {kind}")
        if each.row_hash != expected:
            raise ValueError(f"predictions of {each.system} were made for another question table: run it again")
