"""Texts to float16 vectors: one a text, one for each of its first tokens, or one for each chunk of it."""

from collections.abc import Collection, Sequence

import numpy as np
import torch

from stackstudy.embeddings.batches import plan_batches
from stackstudy.embeddings.encoder import Encoder, Window


def pooled_vectors(encoder: Encoder, texts: Sequence[str], *, max_length: int, tokens_per_batch: int) -> np.ndarray:
    """Return one unit vector a text, float16 (n, d); of each text the first `max_length` tokens are read."""
    windows = [cut[0] for cut in encoder.tokenize(texts, max_length)]
    return _encode(encoder, windows, tokens_per_batch)[0]


def body_vectors(
    encoder: Encoder,
    texts: Sequence[str],
    streams: Collection[str],
    *,
    max_length: int,
    sequence_tokens: int,
    chunk_length: int,
    max_chunks: int,
    tokens_per_batch: int,
) -> dict[str, np.ndarray]:
    """Return the arrays of `streams` from one pass; a run of tokens that two of them need is encoded once.

    "body": unit vectors of the first `max_length` tokens, float16 (n, d). "body_tokens": of these the first
    s = sequence_tokens vectors (n, s, d), and "body_tokens_mask" (n, s); tokens that the tokenizer adds do not count,
    after the last one come zeros and False. "body_chunks": unit vectors of consecutive chunks of whole texts
    (total, d), and "counts" (n,), how many each text has.
    """
    firsts = [cut[0] for cut in encoder.tokenize(texts, max_length)] if {"body", "body_tokens"} & set(streams) else []
    cuts = encoder.tokenize(texts, chunk_length, max_chunks) if "body_chunks" in streams else []
    windows = [*firsts, *(window for cut in cuts for window in cut)]
    pooled, tokens, mask = _encode(encoder, windows, tokens_per_batch, sequence_tokens, len(firsts))
    counts = np.array([len(cut) for cut in cuts], dtype=np.int64)
    arrays = {
        "body": {"body": pooled[: len(firsts)]},
        "body_tokens": {"body_tokens": tokens, "body_tokens_mask": mask},
        "body_chunks": {"body_chunks": pooled[len(firsts) :], "counts": counts},
    }
    return {name: array for stream in streams for name, array in arrays[stream].items()}


def first_tokens(states: torch.Tensor, content: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Move the first `count` content tokens of `states` (b, length, d) to the front; zeros and False after them.

    Returns vectors (b, s, d) and mask (b, s), s = min(count, length); padding may be on either side.
    """
    order = torch.argsort((~content).int(), dim=1, stable=True)[:, :count]
    present = content.gather(1, order)
    picked = states.gather(1, order[..., None].expand(-1, -1, states.shape[2]))
    return picked.masked_fill(~present[..., None], 0), present


def _encode(
    encoder: Encoder, windows: Sequence[Window], tokens_per_batch: int, sequence_tokens: int = 0, sequences: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return vectors of all windows, and the first token vectors of the first `sequences` of them, with their mask."""
    places: dict[tuple[int, ...], int] = {}
    owners = np.array([places.setdefault(tuple(window["input_ids"]), len(places)) for window in windows], dtype=int)
    distinct = [windows[i] for i in np.unique(owners, return_index=True)[1]]
    long = int(owners[:sequences].max(initial=-1)) + 1  # so many of them give token vectors; they come first
    pooled = np.empty((len(distinct), encoder.dimension), dtype=np.float16)
    tokens = np.zeros((long, sequence_tokens, encoder.dimension), dtype=np.float16)
    mask = np.zeros((long, sequence_tokens), dtype=bool)
    lengths = np.array([len(window["input_ids"]) for window in distinct], dtype=np.int64)
    for batch in plan_batches(lengths, tokens_per_batch):
        vectors, states, content = encoder.forward([distinct[i] for i in batch])
        pooled[batch] = vectors.half().cpu().numpy()
        if sequence_tokens and (of := batch[(inside := batch < long)]).size:
            inside = torch.from_numpy(inside)
            first, present = first_tokens(states[inside], content[inside], sequence_tokens)
            tokens[of, : first.shape[1]] = first.half().cpu().numpy()
            mask[of, : first.shape[1]] = present.cpu().numpy()
    return pooled[owners], tokens[owners[:sequences]], mask[owners[:sequences]]
