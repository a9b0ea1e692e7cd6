"""Embedding streams as what systems read: matrices, and for networks a title vector and the pieces of a body."""

import numpy as np
from torch import Tensor

from stackstudy.models.batches import MappedPieces, RaggedPieces, to_device
from stackstudy.systems.data import Data
from stackstudy.tagspace.kmeans import unit_vectors


def vectors_of(data: Data, *streams: str) -> np.ndarray:
    """Return the vectors of one or more streams side by side, float32 (n, sum of d).

    ValueError, naming stream and row: a stream is missing, not one vector a question, or has missing values.
    """
    return np.hstack([stored_vectors(data, name).astype(np.float32, copy=False) for name in streams])


def stored_vectors(data: Data, name: str) -> np.ndarray:
    """Return the vectors (n, d) of a stream as they are stored, mostly a float16 memmap; errors as of `vectors_of`."""
    vectors = data.stream(name)
    if vectors.ndim != 2:
        raise ValueError(f"embedding stream {name!r} has the shape {vectors.shape}: one vector a question is needed")
    if (wrong := np.flatnonzero(~np.isfinite(vectors).all(axis=1))).size:
        found = f"missing or infinite values in {wrong.size} rows, the first is row {wrong[0]}"
        raise ValueError(f"embedding stream {name!r} has {found}: embed the questions again")
    return vectors


def side_by_side(title: np.ndarray, body: np.ndarray) -> np.ndarray:
    """Return vectors (n, d) and (n, d) so scaled that the products of rows are mean cosines: float32 (n, 2d)."""
    return np.hstack([unit_vectors(each) / np.sqrt(2) for each in (title, body)]).astype(np.float32)


def fusion_inputs(data: Data, keys: str, device: str) -> tuple[Tensor, RaggedPieces | MappedPieces]:
    """Return title vectors (n, d) and the pieces of bodies in the stream `keys`, which has one each if it is ``body``.

    ValueError, naming the stream: it is missing, does not fit to the questions or the other, or has missing values.
    """
    title, pieces = to_device(stored_vectors(data, "title"), device), _pieces(data, keys, device)
    if pieces.dimension != title.shape[1]:
        found = f"{pieces.dimension} numbers a vector, those of 'title' have {title.shape[1]}"
        raise ValueError(f"embedding stream {keys!r} has {found}: embed both with one model")
    return title, pieces


def _pieces(data: Data, keys: str, device: str) -> RaggedPieces | MappedPieces:
    """Return the bodies as lists of pieces; those of the stream ``body`` have one piece each."""
    try:
        if keys == "body":
            vectors, offsets = to_device(stored_vectors(data, "body"), device), np.arange(len(data.questions) + 1)
            return RaggedPieces(vectors, to_device(offsets, device))
        if keys == "body_tokens":
            return MappedPieces(data.stream("body_tokens"), data.stream("body_tokens_mask"), device)
        vectors, offsets = _chunks(data)
        return RaggedPieces(to_device(vectors, device), to_device(offsets, device))
    except ValueError as error:
        raise ValueError(f"{error} (embedding stream {keys!r}; notebook 02-embeddings makes it)") from error


def _chunks(data: Data) -> tuple[np.ndarray, np.ndarray]:
    """Return all chunks (total, d) and the offsets (n + 1,) of each body's."""
    names = ("body_chunks", "body_chunks_offsets")
    if missing := [name for name in names if name not in data.streams]:
        raise ValueError(f"this system reads {missing[0]!r}; given are {sorted(data.streams)}")
    vectors, offsets = (data.streams[name] for name in names)
    if vectors.ndim != 2 or offsets.shape != (len(data.questions) + 1,):
        found = f"chunks {vectors.shape} with offsets {offsets.shape}"
        raise ValueError(f"{found} are not those of {len(data.questions)} questions: embed these questions")
    return vectors, offsets
