"""Checks on embeddings: how near each text is to its nearest neighbour, and how many directions matter."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.decomposition import PCA

from stackstudy.embeddings.encoder import Encoder

BLOCK = 4096  # rows of one matrix product


def nearest_neighbour_cosine(vectors: np.ndarray, sample: int, seed: int) -> np.ndarray:
    """Return the cosine of sampled rows of `vectors` (n, d) to their nearest other row, shape (min(sample, n),)."""
    if len(vectors) < 2:
        raise ValueError(f"a nearest neighbour needs 2 vectors or more, got {len(vectors)}")
    rows = np.sort(np.random.default_rng(seed).choice(len(vectors), min(sample, len(vectors)), replace=False))
    chosen = _unit(vectors[rows])
    best = np.full(rows.size, -np.inf, dtype=np.float32)
    for start in range(0, len(vectors), BLOCK):
        cosines = chosen @ _unit(vectors[start : start + BLOCK]).T
        own = np.flatnonzero((rows >= start) & (rows < start + BLOCK))
        cosines[own, rows[own] - start] = -np.inf
        np.maximum(best, cosines.max(axis=1), out=best)
    return best


def explained_variance(vectors: np.ndarray, components: int) -> np.ndarray:
    """Return the share of variance that the first principal components of `vectors` (n, d) hold, cumulated.

    Shape (components,), or as many as there are directions if those are fewer.
    """
    pca = PCA(min(components, *vectors.shape), svd_solver="covariance_eigh")
    pca.fit(np.asarray(vectors, dtype=np.float32))
    return np.cumsum(pca.explained_variance_ratio_)


def metrics(encoder: Encoder, nearest: Mapping[str, np.ndarray], variance: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return what the paper says of the embeddings: the encoder, median nearest cosine, variance of 50 components."""
    return {
        "encoder": encoder.name,
        "model": encoder.model_id,
        "dimension": encoder.dimension,
        "nearest_cosine_median": {stream: float(np.median(cosines)) for stream, cosines in nearest.items()},
        "variance_of_50_components": {stream: float(shares[:50][-1]) for stream, shares in variance.items()},
    }


def _unit(vectors: np.ndarray) -> np.ndarray:
    wide = np.asarray(vectors, dtype=np.float32)
    return wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), np.finfo(np.float32).tiny)
