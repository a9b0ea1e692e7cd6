"""Questions from dumps, CSV, parquet or the planted corpus into one table: checked, de-duplicated, split."""

import json
import multiprocessing
import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, count, islice
from multiprocessing import forkserver
from pathlib import Path

import numpy as np

from stackstudy.paths import replacing
from stackstudy.questions import duplicates
from stackstudy.questions.columns import SCHEMA, UNLABELLED
from stackstudy.questions.finish import Kept, resolve, write_table
from stackstudy.questions.records import Reject
from stackstudy.questions.sources import Piece, SourceFile, find_files, pieces
from stackstudy.questions.spool import Shard, Spool, parse_piece
from stackstudy.runs import progress

PLANTED = "planted"
_FEW_PIECES = 4  # not worth the start of other processes
_WHILE_STARTING = 3  # pieces that this process parses until the others are there
# For glibc: the memory of one piece serves the next, instead of a way back through the kernel.
_KEEP_FREED = {"MALLOC_TRIM_THRESHOLD_": str(1 << 28), "MALLOC_MMAP_THRESHOLD_": str(1 << 28)}


@dataclass(frozen=True)
class IngestReport:
    """What was read, what was left out and why, and what was written."""

    questions: int
    answers: int
    rejected: dict[str, int]  # "field: reason" -> rows, as listed in rejects_path
    exact_duplicates: int  # questions that repeat an earlier one's title and body; they stay, in its group
    near_duplicates: int  # further questions that joined the group of an earlier one
    groups: int
    splits: dict[str, int]
    replacement_characters: int  # questions whose text was damaged (U+FFFD) before it came to us; they stay as they are
    rejects_path: Path


def ingest(
    sources: list[str | Path],
    out: Path,
    *,
    site: str | None = None,
    near_duplicate_similarity: float = 0.8,
    rows: int | None = None,
    seed: int = 0,
    workers: int | None = None,
    optional: tuple[str, ...] = (),
) -> IngestReport:
    """Read `sources` in order into the question table `out`, and ``rejects.jsonl`` beside it.

    `near_duplicate_similarity` is the Jaccard similarity of word shingles from which two questions share a group.
    `rows` is how many questions are planted, or how many of the first are kept. `workers` (default: one per core)
    changes the speed only. `optional` are labels (of `columns.LABELS`) that a question may lack, as new ones do; a
    table to learn from has them all. A fault of a whole file is a ValueError or FileNotFoundError, and leaves `out` as
    it was.
    """
    bands, _ = duplicates.band_shape(near_duplicate_similarity)
    out = Path(out)
    rejects_path = out.with_name("rejects.jsonl")
    with replacing(out) as table, replacing(rejects_path) as rejects:
        folder = table.parent / "spool"
        folder.mkdir()
        spool = Spool(folder, bands)
        files = [replace(file, optional=optional) for file in _all_files(sources, site, folder, rows, seed)]
        for shard in _parsed(files, near_duplicate_similarity, folder, workers or os.cpu_count() or 1):
            spool.add(shard)
        kept = resolve(spool, near_duplicate_similarity, rows)
        if not len(kept.positions):
            raise ValueError(_nothing_left(sources, spool.rejects))
        write_table(spool, kept, table, UNLABELLED if optional else SCHEMA)
        _write_rejects(spool.rejects, rejects)
    return _report(spool, kept, rejects_path)


def _all_files(
    sources: list[str | Path], site: str | None, folder: Path, rows: int | None, seed: int
) -> list[SourceFile]:
    extracted = folder / "extracted"
    extracted.mkdir()
    if not sources:
        raise ValueError("no source to read questions from")
    found = [
        [_planted(rows, seed, folder)] if str(source) == PLANTED else find_files(source, site, extracted)
        for source in sources
    ]
    return list(chain.from_iterable(found))


def _planted(rows: int | None, seed: int, folder: Path) -> SourceFile:
    from stackstudy.questions.planted import plant

    if rows is None:
        raise ValueError("planted: say how many questions to make with --rows")
    path = folder / "planted.parquet"
    plant(rows, seed).write_parquet(path)
    return SourceFile(path, PLANTED, "parquet", "")


def _parsed(files: list[SourceFile], similarity: float, folder: Path, workers: int) -> Iterator[Shard]:
    """Yield the shards of all files in order, parsed in other processes if there is much to parse."""
    todo = chain.from_iterable(pieces(file) for file in files)
    jobs = ((piece, similarity, folder / f"shard-{number:06d}") for number, piece in zip(count(), todo, strict=False))
    first = list(islice(jobs, _FEW_PIECES + 1))
    if workers == 1 or len(first) <= _FEW_PIECES:
        yield from _reported((parse_piece(*job) for job in chain(first, jobs)), files)
        return
    context = multiprocessing.get_context("forkserver")  # fork would copy the locks of the caller's threads
    context.set_forkserver_preload([parse_piece.__module__, "pandas"])  # pyarrow imports pandas by itself
    with _environment(_KEEP_FREED):
        forkserver.ensure_running()
    own = (parse_piece(*job) for job in first[:_WHILE_STARTING])
    with ProcessPoolExecutor(workers, context) as pool:
        others = _in_order(pool, chain(first[_WHILE_STARTING:], jobs), 2 * workers)
        try:
            yield from _reported(chain(own, others), files)
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for a process that is started meanwhile; those that are set already stay."""
    ours = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            del os.environ[name]


def _in_order(pool: ProcessPoolExecutor, jobs: Iterable[tuple[Piece, float, Path]], ahead: int) -> Iterator[Shard]:
    """Yield results in the order of the jobs, with only so many jobs under way that memory stays small."""
    waiting = deque()
    for job in jobs:
        waiting.append(pool.submit(parse_piece, *job))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _reported(shards: Iterable[Shard], files: list[SourceFile]) -> Iterator[Shard]:
    """Pass shards on and report how much of the files is read."""
    total, done = sum(file.size for file in files), 0
    for shard in shards:
        done += shard.size
        progress.report("reading questions", min(done, total - 1), total)  # sizes of pieces are close, not exact
        yield shard
    progress.report("reading questions", total, total)


def _nothing_left(sources: list[str | Path], rejects: list[Reject]) -> str:
    where = ", ".join(str(source) for source in sources)
    if not rejects:
        return f"{where}: no questions found"
    first = rejects[0]
    example = f"{first.file}, row {first.row} (id {first.id}), field {first.field}: {first.reason}"
    return f"{where}: all {len(rejects)} questions were rejected, the first one: {example}"


def _write_rejects(rejects: list[Reject], path: Path) -> None:
    lines = (json.dumps(reject._asdict(), ensure_ascii=False) + "\n" for reject in rejects)
    path.write_text("".join(lines), encoding="utf-8")


def _report(spool: Spool, kept: Kept, rejects_path: Path) -> IngestReport:
    reasons = Counter(f"{reject.field}: {reject.reason}" for reject in spool.rejects)
    splits = Counter(kept.split.tolist())
    return IngestReport(
        questions=len(kept.positions),
        answers=spool.answers,
        rejected=dict(sorted(reasons.items())),
        exact_duplicates=kept.exact_duplicates,
        near_duplicates=kept.near_duplicates,
        groups=len(np.unique(kept.group)),
        splits={name: splits[name] for name in ("train", "validation", "test")},
        replacement_characters=int(spool.column("damaged")[kept.positions].sum()),
        rejects_path=rejects_path,
    )
