"""From spooled shards to the table: what only all rows together can tell (repeats, answers, groups, split)."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stackstudy.questions import duplicates
from stackstudy.questions.columns import UNLABELLED
from stackstudy.questions.records import ANSWER, LARGEST_ID, Reject
from stackstudy.questions.split import split_of
from stackstudy.questions.spool import NONE, Spool, read_shard
from stackstudy.runs import progress

ROW_GROUP = 16_384
_ANSWERS_PER_BLOCK = 1 << 20
_FEW_VALUES = ["site", "tags.list.element", "stratum", "split"]
_NO_TIME = np.datetime64("NaT", "us")


@dataclass(frozen=True)
class Kept:
    """The questions that stay, by position among all that were read, and what is now known of them."""

    positions: np.ndarray  # (n,) int64
    group: np.ndarray  # (n,) int64
    split: np.ndarray  # (n,) object
    answer_count: np.ndarray  # (n,) int32, NONE where the source has no answers
    accepted_created: np.ndarray  # (n,) datetime64[us]
    exact_duplicates: int
    near_duplicates: int


def resolve(spool: Spool, similarity: float, rows: int | None) -> Kept:
    """Drop repeated ids (the first stays), keep the first `rows`, find duplicates, join the facts of answers."""
    positions = _without_repeats(spool)[:rows]
    keys = spool.column("key")[positions]
    clusters = duplicates.Clusters(spool.load("exact", np.int64)[positions])
    exact = len(positions) - len(clusters.originals)
    _join_near_duplicates(spool, positions, clusters, similarity)
    roots = clusters.roots(np.arange(len(positions)))
    group = _smallest(keys % LARGEST_ID, roots)
    count, created = _answer_facts(spool, keys, spool.column("accepted")[positions])
    near = len(positions) - exact - len(np.unique(roots))
    return Kept(positions, group, split_of(group), count, created, exact, near)


def write_table(spool: Spool, kept: Kept, path: Path, schema: pa.Schema) -> None:
    """Write the kept questions in source order, one row group while the next one is read."""
    with (
        pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=_FEW_VALUES) as writer,
        ThreadPoolExecutor(1) as thread,
    ):
        written = thread.submit(lambda: None)
        for table in _row_groups(spool, kept):
            written.result()
            written = thread.submit(writer.write_table, table.cast(schema), row_group_size=table.num_rows)
        written.result()


def _row_groups(spool: Spool, kept: Kept) -> Iterator[pa.Table]:
    """Yield the kept questions, as many shards at a time as hold `ROW_GROUP` of them."""
    pending: list[pa.Table] = []
    for index, (begin, end) in enumerate(pairwise(spool.starts())):
        low, high = np.searchsorted(kept.positions, [begin, end])
        pending.append(_completed(read_shard(spool.paths[index]), kept, slice(low, high), begin))
        progress.report("writing questions", index + 1, len(spool.paths))
        if sum(table.num_rows for table in pending) >= ROW_GROUP or index + 1 == len(spool.paths):
            if table := pa.concat_tables(pending):
                yield table
            pending = []


def _completed(questions: pa.Table, kept: Kept, part: slice, begin: int) -> pa.Table:
    """Return the kept rows of one shard with all columns of the question table."""
    if part.stop - part.start < questions.num_rows:
        questions = questions.take(pa.array(kept.positions[part] - begin))
    counted = kept.answer_count[part]
    answer_count = pc.coalesce(questions["answer_count"], pa.array(counted, mask=counted == NONE))
    accepted = pc.coalesce(questions["accepted_answer_created"], pa.array(kept.accepted_created[part]))
    columns = {name: questions[name] for name in questions.column_names}
    columns |= {"answer_count": answer_count, "accepted_answer_created": accepted}
    columns |= {"group": pa.array(kept.group[part]), "split": pa.array(kept.split[part], pa.string())}
    return pa.table([columns[field.name] for field in UNLABELLED], schema=UNLABELLED)


def _without_repeats(spool: Spool) -> np.ndarray:
    """Return the positions of the first question of each id, in order; the others become rejects."""
    keys = spool.column("key")
    positions = np.sort(np.unique(keys, return_index=True)[1])
    repeated = np.setdiff1d(np.arange(len(keys)), positions, assume_unique=True)
    shards = np.searchsorted(spool.starts(), repeated, side="right") - 1
    rows = spool.column("row")
    for position, shard in zip(repeated.tolist(), shards.tolist(), strict=True):
        identity = str(keys[position] % LARGEST_ID)
        spool.rejects.append(Reject(spool.labels[shard], int(rows[position]), identity, "question_id", "repeated"))
    return positions


def _join_near_duplicates(
    spool: Spool, positions: np.ndarray, clusters: duplicates.Clusters, similarity: float
) -> None:
    if not len(positions):
        return  # nothing to map
    for band in range(spool.bands):
        similar = _comparison(spool, positions, similarity)  # anew, so that mapped pages do not pile up
        duplicates.join_band(clusters, spool.load(f"band-{band}", np.uint64)[positions], similar)
        progress.report("near-duplicates", band + 1, spool.bands)


def _comparison(
    spool: Spool, positions: np.ndarray, similarity: float
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Return the function that says which pairs of rows, both (m,), are this similar, (m,) bool."""
    signatures, shingles = spool.signatures(), spool.shingles()
    ends = np.cumsum(spool.column("shingles"))[positions]
    begins = ends - spool.column("shingles")[positions]

    def sets(rows: np.ndarray) -> list[np.ndarray]:
        return [shingles[begin:end] for begin, end in zip(begins[rows].tolist(), ends[rows].tolist(), strict=True)]

    def similar(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        close = duplicates.plausible(signatures[positions[left]], signatures[positions[right]], similarity)
        if close.any():
            close[close] = duplicates.similarities(sets(left[close]), sets(right[close])) >= similarity
        return close

    return similar


def _smallest(values: np.ndarray, roots: np.ndarray) -> np.ndarray:
    """Return for each row the smallest value among the rows with its root, all (n,) int64."""
    smallest = values.copy()
    np.minimum.at(smallest, roots, values)
    return smallest[roots]


def _answer_facts(spool: Spool, keys: np.ndarray, accepted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how many answers each question has, and when its accepted one was written."""
    has_answers = np.isin(keys // LARGEST_ID, sorted(spool.sites_with_answers))
    count = np.where(has_answers, 0, NONE).astype(np.int32)
    created = np.full(len(keys), _NO_TIME)
    order = np.argsort(keys)
    path = spool.folder / "answers"
    done = 0
    while path.exists() and len(block := np.fromfile(path, ANSWER, _ANSWERS_PER_BLOCK, offset=done * ANSWER.itemsize)):
        done += len(block)
        found, which = _look_up(keys[order], block["question"])
        np.add.at(count, order[which[found]], 1)
        block = block[np.argsort(block["id"], kind="stable")]
        found, which = _look_up(block["id"], accepted)
        created[found] = block["created"][which[found]]
    return count, created


def _look_up(sorted_keys: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return whether each wanted key exists, (m,) bool, and where, (m,) int64."""
    where = np.minimum(np.searchsorted(sorted_keys, wanted), max(len(sorted_keys) - 1, 0))
    if not len(sorted_keys):
        return np.zeros(len(wanted), bool), where
    return sorted_keys[where] == wanted, where
