"""Between reading and writing: parsed questions wait in shards on disk, only their keys stay in memory."""

import gc
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.ipc

from stackstudy.questions import duplicates
from stackstudy.questions.columns import PARSED
from stackstudy.questions.records import LARGEST_ID, Reject
from stackstudy.questions.sources import Piece

NONE = -1  # stands for a missing id in the arrays below
REPLACEMENT = "\ufffd"


@contextmanager
def _no_collection() -> Iterator[None]:
    """Hold off the search for reference cycles, which takes longer than parsing among so many new objects."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@dataclass(frozen=True)
class Shard:
    """What a worker sends back of one piece; the questions themselves are in the file `path`, in the same order."""

    path: Path
    label: str
    rows: int
    sites: list[str]
    site: np.ndarray  # (n,) int64, position in `sites`
    question_id: np.ndarray  # (n,) int64
    row: np.ndarray  # (n,) int64, counted from 1 within the piece
    accepted: np.ndarray  # (n,) int64
    exact: np.ndarray  # (n,) int64
    bands: np.ndarray  # (n, bands) uint64
    signatures: np.ndarray  # (n, 64) uint8
    shingles: np.ndarray  # (n,) int64, how many shingles there are of each in the file beside `path`
    answers: np.ndarray  # (m,) ANSWER
    rejects: list[Reject]
    damaged: np.ndarray  # (n,) bool, text with a replacement character
    size: int  # of the piece, for progress


@_no_collection()
def parse_piece(piece: Piece, similarity: float, path: Path) -> Shard:
    """Parse a piece, write its questions to `path` and return the rest; runs in a worker."""
    parsed = piece.parse()
    questions = parsed.questions
    with pa.OSFile(str(path), "wb") as sink, pyarrow.ipc.new_file(sink, PARSED) as writer:
        writer.write_batch(questions)
    texts = duplicates.normalised(questions["title"].to_pylist(), questions["body"].to_pylist())
    hashes, offsets = duplicates.shingle_hashes(texts)
    hashes.astype(np.uint32).tofile(path.with_suffix(".shingles"))
    signatures = duplicates.signatures(hashes, offsets)
    site = questions["site"].dictionary_encode()
    return Shard(
        path=path,
        label=piece.file.label,
        rows=parsed.rows,
        sites=site.dictionary.to_pylist() or [piece.file.site],
        site=site.indices.to_numpy().astype(np.int64),
        question_id=questions["question_id"].to_numpy(),
        row=parsed.question_rows,
        accepted=questions["accepted_answer_id"].fill_null(NONE).to_numpy(zero_copy_only=False),
        exact=duplicates.exact_keys(texts),
        bands=duplicates.band_keys(signatures, similarity),
        signatures=signatures.astype(np.uint8),  # the low bytes
        shingles=np.diff(offsets.astype(np.int64)),
        answers=parsed.answers,
        rejects=parsed.rejects,
        damaged=np.array([REPLACEMENT in text for text in texts], bool),
        size=piece.size,
    )


def read_shard(path: Path) -> pa.Table:
    """Return the questions of one shard."""
    with pa.OSFile(str(path), "rb") as source:
        return pyarrow.ipc.open_file(source).read_all()


@dataclass
class Spool:
    """Keys of all questions read so far, and files for what is needed one part at a time."""

    folder: Path
    bands: int
    paths: list[Path] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    sites: dict[str, int] = field(default_factory=dict)
    sites_with_answers: set[int] = field(default_factory=set)
    columns: dict[str, list[np.ndarray]] = field(default_factory=lambda: defaultdict(list))
    rows_of_file: dict[str, int] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    answers: int = 0

    def add(self, shard: Shard) -> None:
        """Take in the next shard; shards come in the order of the source."""
        before = self.rows_of_file.get(shard.label, 0)
        self.rows_of_file[shard.label] = before + shard.rows
        self.rejects += [reject._replace(row=reject.row + before) for reject in shard.rejects]
        self.answers += len(shard.answers)
        codes = np.array([self.sites.setdefault(site, len(self.sites)) for site in shard.sites]) * LARGEST_ID
        self.paths.append(shard.path)
        self.labels.append(shard.label)
        base = codes[shard.site]
        self.columns["key"].append(base + shard.question_id)
        self.columns["row"].append(shard.row + before)
        self.columns["accepted"].append(np.where(shard.accepted == NONE, NONE, base + shard.accepted))
        self.columns["damaged"].append(shard.damaged)
        self._append("exact", shard.exact)
        self.columns["shingles"].append(shard.shingles)
        self._append("signatures", shard.signatures)
        self._take_over(shard.path.with_suffix(".shingles"))
        for band, keys in enumerate(shard.bands.T):
            self._append(f"band-{band}", np.ascontiguousarray(keys))
        if len(shard.answers):
            self.sites_with_answers.add(int(codes[0]) // LARGEST_ID)
            shard.answers["id"] += codes[0]
            shard.answers["question"] += codes[0]
            self._append("answers", shard.answers)

    def column(self, name: str) -> np.ndarray:
        """Return `key` (site and id in one number), `row`, `accepted` (a key), `damaged` or `shingles`, (n,)."""
        return np.concatenate(self.columns[name]) if self.columns[name] else np.empty(0, np.int64)

    def load(self, name: str, dtype: np.dtype | type) -> np.ndarray:
        """Return a whole spooled array."""
        path = self.folder / name
        return np.fromfile(path, dtype) if path.exists() else np.empty(0, dtype)

    def signatures(self) -> np.ndarray:
        """Return the low bytes of all signatures, (n, 64) uint8, left on disk."""
        return np.asarray(np.memmap(self.folder / "signatures", np.uint8, "r")).reshape(-1, duplicates.PERMUTATIONS)

    def starts(self) -> np.ndarray:
        """Return the position of the first question of each shard, and the number of all at the end."""
        return np.cumsum([0, *(len(keys) for keys in self.columns["key"])])

    def shingles(self) -> np.ndarray:
        """Return the hashed shingles of all questions one after the other, (total,) uint32, left on disk."""
        return np.asarray(np.memmap(self.folder / "shingles", np.uint32, "r"))

    def _append(self, name: str, values: np.ndarray) -> None:
        with (self.folder / name).open("ab") as file:
            values.tofile(file)

    def _take_over(self, path: Path) -> None:
        """Append a worker's shingles to those of all, so that one mapping reaches them."""
        with (self.folder / "shingles").open("ab") as file:
            file.write(path.read_bytes())
        path.unlink()
