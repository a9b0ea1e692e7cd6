"""A long array computation in numbered part files, so that a killed one goes on where it stopped."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stackstudy.paths import replacing

SHARD_TEXTS = 512  # a few seconds of work; at 4096 dimensions and 32 tokens a text, 134 MB

Arrays = Mapping[str, np.ndarray]
Bad = tuple[str, int]  # a stream, and a text whose vector there is not finite
Filled = Iterator[tuple[tuple[int, int], Bad | None]]  # borders of a shard, and what kept it from being written


@dataclass(frozen=True)
class Shards:
    """Part files of `size` texts each, of `total`, in `folder`, which also says what they are made of."""

    folder: Path
    total: int
    size: int

    @classmethod
    def open(cls, folder: Path, recipe: Mapping[str, Any], total: int) -> "Shards":
        """Take up the shards in `folder` if they were made by the same recipe; remove them otherwise."""
        key = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()
        mark = folder / "key.json"
        if not mark.exists() or json.loads(mark.read_text(encoding="utf-8")) != key:
            shutil.rmtree(folder, ignore_errors=True)
            with replacing(mark) as fresh:
                fresh.write_text(json.dumps(key), encoding="utf-8")
        return cls(folder, total, SHARD_TEXTS)

    def ranges(self) -> list[tuple[int, int]]:
        """Return the borders (first, last + 1) of every shard: fixed by the numbers of texts alone."""
        return [(start, min(start + self.size, self.total)) for start in range(0, self.total, self.size)]

    def missing(self) -> list[tuple[int, int]]:
        """Return the borders of the shards that are not made yet."""
        return [(start, stop) for start, stop in self.ranges() if not self._path(start).exists()]

    def write(self, start: int, arrays: Arrays) -> Bad | None:
        """Write the shard that begins with text `start`, unless a vector is not finite: return it then."""
        if bad := _first_bad(arrays):
            return bad[0], start + bad[1]
        with replacing(self._path(start)) as fresh, fresh.open("wb") as file:
            np.savez(file, **arrays)
        return None

    def read(self, name: str) -> Iterator[tuple[int, int, np.ndarray]]:
        """Yield (first, last + 1, array `name`) of every shard in order."""
        for start, stop in self.ranges():
            with np.load(self._path(start)) as arrays:
                yield start, stop, arrays[name]

    def _path(self, start: int) -> Path:
        return self.folder / f"{start // self.size:06d}.npz"


def fill(
    shards: Shards, missing: Iterable[tuple[int, int]], texts: Sequence[str], encode: Callable[[list[str]], Arrays]
) -> Filled:
    """Make shards one after the other, each of the arrays that `encode` returns for its texts."""
    for start, stop in missing:
        yield (start, stop), shards.write(start, encode(list(texts[start:stop])))


def _first_bad(arrays: Arrays) -> Bad | None:
    for name, array in arrays.items():
        bad = np.flatnonzero(~np.isfinite(array).reshape(len(array), -1).all(axis=1))
        if bad.size:
            counts = arrays["counts"] if name == "body_chunks" else np.ones(len(array), np.int64)
            return name, int(np.repeat(np.arange(counts.size), counts)[bad[0]])
    return None


def spread(shards: Shards, name: str, owners: np.ndarray, target: Path) -> tuple[int, ...]:
    """Write array `name` to `target` (.npy) with one entry a row, that of text `owners[row]`; return its shape."""
    fresh = shards.folder / target.name  # grows beside the shards, so that what a kill leaves is removed with them
    out = None
    for start, stop, part in shards.read(name):
        if out is None:
            out = np.lib.format.open_memmap(fresh, "w+", part.dtype, (len(owners), *part.shape[1:]))
        rows = np.flatnonzero((owners >= start) & (owners < stop))
        out[rows] = part[owners[rows] - start]
    out.flush()
    fresh.replace(target)
    return out.shape


def spread_ragged(shards: Shards, name: str, counts: str, owners: np.ndarray, target: Path) -> np.ndarray:
    """Write the runs of array `name`, one a text and `counts` long, to `target` in row order; return offsets (n+1,)."""
    lengths = np.concatenate([part for _, _, part in shards.read(counts)])
    offsets = offsets_of(lengths[owners])
    fresh = shards.folder / target.name
    out = None
    for start, stop, part in shards.read(name):
        if out is None:
            out = np.lib.format.open_memmap(fresh, "w+", part.dtype, (int(offsets[-1]), *part.shape[1:]))
        local = offsets_of(lengths[start:stop])
        for row in np.flatnonzero((owners >= start) & (owners < stop)):
            text = owners[row] - start
            out[offsets[row] : offsets[row + 1]] = part[local[text] : local[text + 1]]
    out.flush()
    fresh.replace(target)
    return offsets


def offsets_of(lengths: np.ndarray) -> np.ndarray:
    """Return where each of consecutive runs of `lengths` (n,) starts, and the end: int64 (n+1,)."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
