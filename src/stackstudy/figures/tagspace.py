"""The tag space: how large the centroids are, and which are alike."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import pdist

from stackstudy.figures.data import numbers
from stackstudy.figures.drawing import compact, shorten
from stackstudy.figures.heatmap import heat_map
from stackstudy.figures.style import BLUE, FULL, canvas, styled

ROW = 0.133  # inches from one name to the next


def _column(ax: Axes, sizes: np.ndarray, names: Sequence[str], rows: int) -> None:
    ax.hlines(np.arange(sizes.size), 0, sizes, color=BLUE, lw=0.8)
    ax.plot(sizes, np.arange(sizes.size), "o", color=BLUE, ms=3)
    ax.set_yticks(np.arange(sizes.size), [shorten(name, 24) for name in names])
    ax.set_ylim(rows - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.set_xscale("symlog", linthresh=1, linscale=0.3)
    ax.set_xlabel("questions (log scale)")
    ax.set_ylabel("tag centroid")


@styled
def centroid_sizes(sizes: ArrayLike, names: Sequence[str]) -> Figure:
    """Questions of each centroid, largest first, every name shown: `sizes` (k,) and `names` (k)."""
    values = numbers(sizes, "centroid sizes")
    if values.size != len(names):
        raise ValueError(f"centroid sizes: {values.size} sizes but {len(names)} names")
    order = np.argsort(-values, kind="stable")
    columns = 1 if values.size <= 30 else 2
    rows = -(-values.size // columns)
    figure, axes = canvas(FULL, 0.6 + max(ROW * rows, 0.8), 1, columns, sharex=True, squeeze=False)
    for column, ax in enumerate(axes[0]):
        chosen = order[column * rows : (column + 1) * rows]
        _column(ax, values[chosen], [names[i] for i in chosen], rows)
    axes[0, 0].set_xlim(0, 1.3 * max(values.max(), 1))
    axes[0, 0].xaxis.set_major_formatter(compact)
    return figure


def similarity_order(centroids: np.ndarray) -> np.ndarray:
    """Return the order (k,) in which average-linkage clustering by cosine puts alike centroids (k, d) side by side."""
    if len(centroids) < 3:
        return np.arange(len(centroids))
    return leaves_list(linkage(pdist(centroids, "cosine"), "average", optimal_ordering=True))


@styled
def centroid_similarity(centroids: ArrayLike, names: Sequence[str]) -> Figure:
    """Cosine similarities of the tag centroids (k, d, unit norm) as a heat map, alike ones side by side, all named."""
    vectors = np.asarray(centroids, dtype=np.float64)
    if vectors.ndim != 2 or not vectors.size:
        raise ValueError(
            f"centroid similarity: expected centroids (k, d) with k and d of 1 or more, got {vectors.shape}"
        )
    if len(vectors) != len(names):
        raise ValueError(f"centroid similarity: {len(vectors)} centroids but {len(names)} names")
    numbers(vectors.ravel(), "centroid similarity")
    order = similarity_order(vectors)
    ordered = vectors[order] / np.linalg.norm(vectors[order], axis=1, keepdims=True)
    similarity = ordered @ ordered.T
    # The diagonal is no news: the colours span the similarities of different centroids.
    others = similarity[~np.eye(len(names), dtype=bool)] if len(names) > 2 else np.array([0, 1])
    norm = Normalize(others.min(), others.max())
    labels = ("cosine similarity", "the same centroids in the same order", "tag centroid")
    return heat_map(similarity, [names[i] for i in order], norm, labels)
