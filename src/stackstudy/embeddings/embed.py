"""Embed a question table: titles, bodies (one vector, first tokens, chunks) and tag names into one store."""

import shutil
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import polars as pl

from stackstudy.embeddings.embed_on_ray import Encode, fill_on_ray
from stackstudy.embeddings.encoder import Encoder
from stackstudy.embeddings.endpoint import Endpoint
from stackstudy.embeddings.shards import Arrays, Shards, fill, spread, spread_ragged
from stackstudy.embeddings.store import is_complete, remove_sidecar, text_hash, write_sidecar
from stackstudy.embeddings.vectors import body_vectors, pooled_vectors
from stackstudy.paths import replacing
from stackstudy.questions.schema import row_hash
from stackstudy.runs.progress import report

FORMAT = 2  # raise it when the same texts and parameters are to give other vectors; stores made before are then stale
STREAMS = ("tag", "title", "body", "body_tokens", "body_chunks")
VERSIONS = ("sentence-transformers", "tokenizers", "torch", "transformers")


@dataclass(frozen=True)
class _Task:
    """Texts that go through the encoder once, and the streams that come of it, each with its sidecar."""

    name: str
    texts: list[str]
    ids: Sequence[Any]  # what an error calls a text: its question_id or tag
    streams: dict[str, dict[str, Any]]
    encode: Encode


def embed_questions(
    questions: pl.DataFrame,
    folder: Path,
    *,
    encoder: Encoder | Endpoint,
    max_length: int,
    sequence_tokens: int,
    chunk_length: int,
    max_chunks: int,
    tokens_per_batch: int,
    workers: int = 1,
    streams: Collection[str] | None = None,
) -> None:
    """Write `streams`, all that the encoder can make if not told otherwise, of `questions` into the store `folder`.

    Streams that are there already, made of the same texts in the same way, are kept; a killed call goes on where it
    stopped and leaves the same bytes, whatever the number of `workers`; more than one are those of a Ray cluster of
    machines of one kind (see `fill_on_ray`). Disk: a stream takes its size twice until it is complete.
    """
    if questions.is_empty():
        raise ValueError("there are no questions to embed: the question table has no rows")
    streams = _streams(encoder, streams)
    tags = questions["tags"].explode().drop_nulls().unique().sort().to_list()
    ids, titles, bodies = (questions[name].to_list() for name in ("question_id", "title", "body"))
    about = _about(encoder, row_hash(questions), tokens_per_batch)
    one = {**about, "max_length": max_length}
    chunked = {**about, "max_length": chunk_length, "max_chunks": max_chunks}

    spoken = [tag.replace("-", " ") for tag in tags]
    sidecars = {"body": one, "body_tokens": {**one, "sequence_tokens": sequence_tokens}, "body_chunks": chunked}
    body_streams = {name: sidecar for name, sidecar in sidecars.items() if name in streams}
    cut = {"max_length": max_length, "sequence_tokens": sequence_tokens}
    cut |= {"chunk_length": chunk_length, "max_chunks": max_chunks}
    at_once = {"max_length": max_length, "tokens_per_batch": tokens_per_batch}
    of_body = partial(_bodies, streams=tuple(body_streams), **cut, tokens_per_batch=tokens_per_batch)
    tasks = (
        _Task("tag", spoken, tags, {"tag": {**one, "tags": tags}}, partial(_pooled, stream="tag", **at_once)),
        _Task("title", titles, ids, {"title": one}, partial(_pooled, stream="title", **at_once)),
        _Task("body", bodies, ids, body_streams, of_body),
    )
    for task in tasks:
        if wanted := {name: sidecar for name, sidecar in task.streams.items() if name in streams}:
            _carry_out(replace(task, streams=wanted), Path(folder), encoder, workers)


def _pooled(
    encoder: Encoder | Endpoint, texts: list[str], *, stream: str, max_length: int, tokens_per_batch: int
) -> Arrays:
    if isinstance(encoder, Endpoint):
        return {stream: encoder.pooled_vectors(texts, max_length=max_length)}
    return {stream: pooled_vectors(encoder, texts, max_length=max_length, tokens_per_batch=tokens_per_batch)}


def _bodies(
    encoder: Encoder | Endpoint,
    texts: list[str],
    *,
    streams: Collection[str],
    max_length: int,
    sequence_tokens: int,
    chunk_length: int,
    max_chunks: int,
    tokens_per_batch: int,
) -> Arrays:
    """Return the arrays of all `streams`; with ``body_chunks`` come ``counts``, how many chunks each text has."""
    sizes = {"chunk_length": chunk_length, "max_chunks": max_chunks}
    if not isinstance(encoder, Endpoint):
        cut = {"max_length": max_length, "sequence_tokens": sequence_tokens, **sizes}
        return body_vectors(encoder, texts, streams, **cut, tokens_per_batch=tokens_per_batch)
    arrays = {"body": encoder.pooled_vectors(texts, max_length=max_length)} if "body" in streams else {}
    if "body_chunks" in streams:
        arrays["body_chunks"], arrays["counts"] = encoder.chunk_vectors(texts, **sizes)
    return arrays


def _streams(encoder: Encoder | Endpoint, wanted: Collection[str] | None) -> Collection[str]:
    """Return the streams to make. ValueError: vectors of tokens are wanted of an encoder that gives none."""
    if not isinstance(encoder, Endpoint):
        return STREAMS if wanted is None else wanted
    if wanted is not None and "body_tokens" in wanted:
        raise ValueError(f"encoder {encoder.name} gives no vectors of tokens: leave body_tokens out")
    return tuple(name for name in STREAMS if name != "body_tokens") if wanted is None else wanted


def _about(encoder: Encoder | Endpoint, rows: str, tokens_per_batch: int) -> dict[str, Any]:
    return {
        "encoder": encoder.name,
        "model": encoder.model_id,
        "weight_sha256": encoder.weight_hash,
        "dimension": encoder.dimension,
        "pooling": encoder.pooling,
        "dtype": "float16",
        "format": FORMAT,
        "row_hash": rows,
        "tokens_per_batch": tokens_per_batch,
        "versions": {name: version(name) for name in VERSIONS},
    }


def _carry_out(task: _Task, folder: Path, encoder: Encoder | Endpoint, workers: int) -> None:
    streams = {name: {**sidecar, "text_hash": text_hash(task.texts)} for name, sidecar in task.streams.items()}
    part_folder = folder / f".{task.name}.shards"
    if not all(is_complete(folder, name, sidecar) for name, sidecar in streams.items()):
        texts, owners = _distinct(task.texts)
        # Another kind of device rounds differently, so its shards are not mixed in.
        made_on = {"device": encoder.device, "autocast": encoder.autocast}
        shards = Shards.open(part_folder, {**streams, **made_on}, len(texts))
        _fill(task, shards, texts, owners, encoder, workers)
        _assemble(shards, owners, folder, streams)
    shutil.rmtree(part_folder, ignore_errors=True)


def _distinct(texts: list[str]) -> tuple[list[str], np.ndarray]:
    """Return the distinct texts by first appearance, and the place of each text among them, shape (n,)."""
    places: dict[str, int] = {}
    owners = np.array([places.setdefault(text, len(places)) for text in texts], dtype=np.int64)
    return list(places), owners


def _fill(
    task: _Task, shards: Shards, texts: list[str], owners: np.ndarray, encoder: Encoder | Endpoint, workers: int
) -> None:
    stage, started = f"embed {task.name}", time.monotonic()
    missing = shards.missing()
    before = made = shards.total - sum(stop - start for start, stop in missing)
    report(stage, before, shards.total)
    if workers > 1 and missing:
        filled = fill_on_ray(shards, missing, texts, task.encode, encoder, workers)
    else:
        filled = fill(shards, missing, texts, partial(task.encode, encoder))
    for (start, stop), bad in filled:
        if bad:
            _refuse(task, *bad, owners)
        made += stop - start
        seconds = max(time.monotonic() - started, 1e-6)
        report(stage, made, shards.total, texts_per_second=(made - before) / seconds)


def _refuse(task: _Task, stream: str, text: int, owners: np.ndarray) -> NoReturn:
    row = int(np.flatnonzero(owners == text)[0])
    raise ValueError(
        f"embedding {stream}: the vector of row {row} ({task.ids[row]}) is not finite in float16; "
        "look at its text, or choose another encoder or device"
    )


def _assemble(shards: Shards, owners: np.ndarray, folder: Path, streams: dict[str, dict[str, Any]]) -> None:
    for stream in streams:
        remove_sidecar(folder, stream)
    for stream, sidecar in streams.items():
        target = folder / f"{stream}.npy"
        if stream == "body_chunks":
            offsets = spread_ragged(shards, stream, "counts", owners, target)
            with replacing(folder / "body_chunks_offsets.npy") as fresh:
                np.save(fresh, offsets)
            shapes = {stream: (int(offsets[-1]), sidecar["dimension"]), "body_chunks_offsets": offsets.shape}
        else:
            shapes = {stream: spread(shards, stream, owners, target)}
        if stream == "body_tokens":
            mask = "body_tokens_mask"
            shapes[mask] = spread(shards, mask, owners, folder / f"{mask}.npy")
        write_sidecar(folder, stream, sidecar, shapes)
