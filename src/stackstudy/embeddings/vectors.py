"""Texts to float16 vectors: one a text, one for each of its first tokens, or one for each chunk of it."""

from collections.abc import Sequence

import numpy as np
import torch

from stackstudy.embeddings.batches import plan_batches
from stackstudy.embeddings.encoder import Encoder, Window


def pooled_vectors(encoder: Encoder, texts: Sequence[str], *, max_length: int, tokens_per_batch: int) -> np.ndarray:
    """Return one unit vector a text, float16 (n, d); of each text the first `max_length` tokens are read."""
    windows = [cut[0] for cut in encoder.tokenize(texts, max_length)]
    return _encode(encoder, windows, tokens_per_batch)[0]


def pooled_and_token_vectors(
    encoder: Encoder, texts: Sequence[str], *, max_length: int, sequence_tokens: int, tokens_per_batch: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return, from one pass, pooled (n, d), the first s = sequence_tokens token vectors (n, s, d), their mask (n, s).

    Tokens that the tokenizer adds do not count; after the last token of a text come zeros and False.
    """
    windows = [cut[0] for cut in encoder.tokenize(texts, max_length)]
    return _encode(encoder, windows, tokens_per_batch, sequence_tokens)


def chunk_vectors(
    encoder: Encoder, texts: Sequence[str], *, chunk_length: int, max_chunks: int, tokens_per_batch: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return unit vectors of consecutive chunks of whole texts, float16 (total, d), and how many each text has (n,)."""
    cuts = encoder.tokenize(texts, chunk_length, max_chunks)
    windows = [window for cut in cuts for window in cut]
    return _encode(encoder, windows, tokens_per_batch)[0], np.array([len(cut) for cut in cuts], dtype=np.int64)


def first_tokens(states: torch.Tensor, content: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Move the first `count` content tokens of `states` (b, length, d) to the front; zeros and False after them.

    Returns vectors (b, s, d) and mask (b, s), s = min(count, length); padding may be on either side.
    """
    order = torch.argsort((~content).int(), dim=1, stable=True)[:, :count]
    present = content.gather(1, order)
    picked = states.gather(1, order[..., None].expand(-1, -1, states.shape[2]))
    return picked.masked_fill(~present[..., None], 0), present


def _encode(
    encoder: Encoder, windows: list[Window], tokens_per_batch: int, sequence_tokens: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    pooled = np.empty((len(windows), encoder.dimension), dtype=np.float16)
    tokens = np.zeros((len(windows), sequence_tokens, encoder.dimension), dtype=np.float16)
    mask = np.zeros((len(windows), sequence_tokens), dtype=bool)
    lengths = np.array([len(window["input_ids"]) for window in windows], dtype=np.int64)
    for batch in plan_batches(lengths, tokens_per_batch):
        vectors, states, content = encoder.forward([windows[i] for i in batch])
        pooled[batch] = vectors.half().cpu().numpy()
        if sequence_tokens:
            first, present = first_tokens(states, content, sequence_tokens)
            tokens[batch, : first.shape[1]] = first.half().cpu().numpy()
            mask[batch, : first.shape[1]] = present.cpu().numpy()
    return pooled, tokens, mask
