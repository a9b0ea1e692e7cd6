"""Labels by a vote of the nearest training questions."""

from collections.abc import Sequence

import numpy as np

BLOCK = 1024  # queries at a time: 70,000 references then take 280 MB


def votes(queries: np.ndarray, references: np.ndarray, labels: np.ndarray, counts: Sequence[int]) -> list[np.ndarray]:
    """Return, for each k of `counts`, the share of each label in the vote of the k nearest references: (n, labels).

    `queries` (n, d) and `references` (r, d) have unit length, `labels` is bool (r, labels). A reference votes with the
    weight of its cosine; opposite ones do not vote. Of equally near references the earlier one counts as nearer.
    ValueError: k exceeds r.
    """
    if max(counts) > len(references):
        raise ValueError(f"parameter neighbours: {max(counts)} is too many for {len(references)} training questions")
    shares = [np.empty((len(queries), labels.shape[1]), np.float32) for _ in counts]
    for start in range(0, len(queries), BLOCK):
        block = slice(start, start + BLOCK)
        cosines = queries[block] @ references.T
        nearest = np.argsort(-cosines, axis=1, kind="stable")[:, : max(counts)]
        weights = np.take_along_axis(cosines, nearest, axis=1).clip(min=0)
        for share, k in zip(shares, counts, strict=True):
            voted = np.einsum("nk,nkl->nl", weights[:, :k], labels[nearest[:, :k]].astype(np.float32), optimize=True)
            share[block] = voted / np.maximum(weights[:, :k].sum(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return [share.clip(max=1) for share in shares]
