"""Where a network with cross-attention looks: its weights on the pieces of a few planted questions."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch

from stackstudy.embeddings.encoder import Encoder, load_encoder
from stackstudy.embeddings.store import load_stream, stream_metadata
from stackstudy.evaluation.predictions import rows_of
from stackstudy.models.saving import load_model
from stackstudy.questions.ingest import PLANTED
from stackstudy.questions.schema import row_hash

KEYS = ("body_chunks", "body_tokens")
PIECES = 5  # of a question that is easy to read: neither one chunk nor a page of them


@dataclass(frozen=True, eq=False)
class Attended:
    """One question: its title, the texts of the pieces of its body, and the weights (heads, pieces); heads sum to 1."""

    title: str
    pieces: tuple[str, ...]
    weights: np.ndarray


def examples(
    system: str, folders: Iterable[Path], store: Path, questions: pl.DataFrame, count: int = 3
) -> list[Attended]:
    """Return where `system` (its first seed) looks in `count` test questions whose bodies have a few pieces.

    Its model is in one of the run `folders`; `store` holds the embeddings of `questions`. Empty for questions that are
    not planted, since the texts of people stay out of the report, and where no folder has the system. ValueError: the
    network attends to the one body vector.
    """
    runs = [folder for folder in folders if (folder / "predictions" / f"{system}.npz").exists()]
    if not runs or (questions["site"] != PLANTED).any():
        return []
    saved = load_model(runs[0] / "model")
    keys = next((stream for stream in saved.streams if stream in KEYS), None)
    if keys is None:
        raise ValueError(f"{system} attends to no pieces of the body; it reads {', '.join(saved.streams)}")
    network, vectors = saved.models[min(saved.models)], _Vectors(store, keys, row_hash(questions))
    rows = _readable(vectors, rows_of(questions, "test"), count)
    texts = _pieces(questions["body"].gather(rows).to_list(), keys, stream_metadata(store, keys))
    shown = zip(questions["title"].gather(rows), texts, rows, strict=True)
    return [Attended(title, pieces, _weights(network, vectors, row)) for title, pieces, row in shown]


class _Vectors:
    """Title and key vectors of single questions, as a network takes them."""

    def __init__(self, store: Path, keys: str, rows: str) -> None:
        self.title, self.keys = (load_stream(store, name, row_hash=rows) for name in ("title", keys))
        ragged = keys == "body_chunks"
        self.offsets = load_stream(store, "body_chunks_offsets", row_hash=rows) if ragged else None
        self.mask = None if ragged else load_stream(store, "body_tokens_mask", row_hash=rows)

    def counts(self, rows: np.ndarray) -> np.ndarray:
        """Return the number of pieces of each of `rows` (r,)."""
        if self.offsets is not None:
            return np.diff(self.offsets)[rows]
        return self.mask[rows].sum(axis=1)

    def at(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Return title (1, d) and keys (1, pieces, d) of one row."""
        if self.offsets is not None:
            keys = self.keys[self.offsets[row] : self.offsets[row + 1]]
        else:
            keys = self.keys[row][self.mask[row]]
        return self.title[row][None], keys[None]


def _readable(vectors: _Vectors, rows: np.ndarray, count: int) -> np.ndarray:
    """Return `count` of `rows`, ascending, whose number of pieces is nearest to `PIECES`; the first of equals."""
    order = np.argsort(np.abs(vectors.counts(rows).astype(np.int64) - PIECES), kind="stable")
    return np.sort(rows[order[:count]])


@torch.inference_mode()
def _weights(network: torch.nn.Module, vectors: _Vectors, row: int) -> np.ndarray:
    title, keys = (torch.from_numpy(np.array(each, dtype=np.float32)) for each in vectors.at(row))
    mask = torch.ones(keys.shape[:2], dtype=torch.bool)
    return network.attention(title, keys, mask)[0].numpy()  # (heads, pieces)


def _pieces(bodies: list[str], keys: str, sidecar: dict) -> list[tuple[str, ...]]:
    """Return the texts of which the key vectors of each body were made."""
    encoder = load_encoder(sidecar["encoder"], "cpu")
    cut = _chunks if keys == "body_chunks" else _tokens
    return [cut(encoder, body, sidecar) for body in bodies]


def _chunks(encoder: Encoder, body: str, sidecar: dict) -> tuple[str, ...]:
    (windows,) = encoder.tokenize([body], sidecar["max_length"], sidecar["max_chunks"])
    return tuple(encoder.model.tokenizer.decode(each["input_ids"], skip_special_tokens=True) for each in windows)


def _tokens(encoder: Encoder, body: str, sidecar: dict) -> tuple[str, ...]:
    ((window,),) = encoder.tokenize([body], sidecar["max_length"])
    ids = [i for i, special in zip(window["input_ids"], window["special_tokens_mask"], strict=True) if not special]
    return tuple(encoder.model.tokenizer.convert_ids_to_tokens(ids[: sidecar["sequence_tokens"]]))
