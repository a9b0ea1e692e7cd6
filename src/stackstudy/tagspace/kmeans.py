"""Spherical k-means on unit vectors, flat and recursive (Dhillon & Modha 2001; recursion as in the study).

The objective is the sum of the cosines of all points to the centroid of their cluster, and is maximised.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

BLOCK = 8192  # rows of one matrix product
LARGE = 1 << 24  # numbers in the points; from here on they are float32, since reading them is what takes the time
MAX_ITERATIONS = 300
TIE_DECIMALS = 12  # cosines that differ less are a tie, so that the BLAS at hand does not decide
NEARLY = 1e-5  # cosines in float32 that differ less are looked at again in float64


@dataclass(frozen=True)
class Clustering:
    """Unit centroids (k, d), the cluster (n,) of every point, and the objective after each iteration."""

    centroids: np.ndarray
    assignment: np.ndarray
    objectives: tuple[float, ...]

    @property
    def objective(self) -> float:
        return self.objectives[-1]


def unit_vectors(vectors: np.ndarray, dtype: type[np.floating] = np.float64) -> np.ndarray:
    """Return `vectors` (n, d) as rows of length 1; ValueError for a zero or non-finite row, by its number."""
    import torch  # here, since it takes seconds that those who make no vectors need not wait

    vectors = np.asarray(vectors)
    units = np.empty(vectors.shape, dtype)
    for rows in _blocks(vectors):
        block = units[rows]
        torch.from_numpy(block).copy_(torch.tensor(vectors[rows]))  # NumPy converts float16 one by one
        norms = np.linalg.norm(block, axis=1, keepdims=True)
        bad = np.flatnonzero(~(np.isfinite(norms[:, 0]) & (norms[:, 0] > 0)))
        if bad.size:
            row = rows.start + bad[0]
            raise ValueError(f"vector {row} has no direction: it is zero or not finite, and so cannot be clustered")
        block /= norms
    return units


def spherical_kmeans(vectors: np.ndarray, k: int, *, restarts: int, seed: int) -> Clustering:
    """Cluster `vectors` (n, d) into k by cosine; of `restarts` seeded starts the best objective wins, ties the first.

    Every cluster has a point. Centroids are float64, or float32 for `LARGE` inputs. ValueError if k is not between 1
    and n.
    """
    points = _checked(vectors, k)
    runs = (lloyd(points, seed_centroids(points, k, np.random.default_rng([seed, r]))) for r in range(restarts))
    return max(runs, key=lambda run: run.objective)


def recursive_kmeans(vectors: np.ndarray, k: int, *, branching: int, restarts: int, seed: int) -> Clustering:
    """Cluster `vectors` (n, d) into k leaves of a tree.

    The root has min(branching, k) children. Then, until there are k leaves, the leaf with the largest loss (sum of
    1 - cosine over its points, ties: the earlier leaf; leaves of one point stay whole) is split in two: the first
    half keeps its number, the second takes the next free one. Every split is a `spherical_kmeans` of its own.
    """
    points = _checked(vectors, k)
    root = spherical_kmeans(points, min(branching, k), restarts=restarts, seed=seed)
    assignment, centroids = root.assignment.copy(), list(root.centroids)
    while len(centroids) < k:
        worst = _worst_leaf(points, np.array(centroids), assignment)
        members = np.flatnonzero(assignment == worst)
        halves = spherical_kmeans(points[members], 2, restarts=restarts, seed=seed)
        assignment[members[halves.assignment == 1]] = len(centroids)
        centroids[worst] = halves.centroids[0]
        centroids.append(halves.centroids[1])
    objective = float(np.einsum("nd,nd->", points, np.array(centroids)[assignment], dtype=np.float64))
    return Clustering(np.array(centroids), assignment, (objective,))


def lloyd(points: np.ndarray, start: np.ndarray) -> Clustering:
    """Improve centroids `start` (k, d) on unit `points` (n, d) until no point changes its cluster.

    An empty cluster takes the point that fits worst where it is (ties: the lowest row) and is not alone there. Only
    centroids whose cluster has changed are computed and compared with the points again.
    """
    centroids, assignment, objectives = start.copy(), None, []
    cosines = np.empty((len(points), len(start)), points.dtype)
    sums, changed = np.zeros_like(start), np.arange(len(start))
    for _ in range(MAX_ITERATIONS):
        for rows in _blocks(points):
            cosines[rows, changed] = _cosines(points[rows], centroids[changed])
        nearest = _fill_empty(*_nearest(cosines, points, centroids), len(centroids))
        if assignment is not None:
            moved = nearest != assignment
            changed = np.union1d(assignment[moved], nearest[moved])
        if not len(changed):
            break
        assignment = nearest
        sums[changed] = _sums(points, assignment, changed)
        centroids[changed] = _directions(sums[changed], centroids[changed])
        objectives.append(float(np.vdot(sums, centroids)))  # the cosines of all points to their centroids
    return Clustering(centroids, assignment, tuple(objectives))


def assign(points: np.ndarray, centroids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest of unit `centroids` (k, d) for each unit point (ties: the lowest number) and its cosine."""
    found = [_nearest(_cosines(points[rows], centroids), points[rows], centroids) for rows in _blocks(points)]
    nearest, cosines = zip(*found, strict=True)
    return np.concatenate(nearest), np.concatenate(cosines)


def seed_centroids(points: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """Draw k of the unit `points` as centroids, each with probability 1 - cosine to the nearest one drawn so far.

    This is k-means++ (Arthur & Vassilvitskii 2007), as squared chords are 2 - 2 cosine. When only repeats of drawn
    points are left, they are equally likely.
    """
    chosen = [int(rng.integers(len(points)))]
    best = (points @ points[chosen[0]]).astype(np.float64)
    free = np.ones(len(points), dtype=bool)
    while len(chosen) < k:
        free[chosen[-1]] = False
        weights = np.where(free, np.round(1 - best, TIE_DECIMALS).clip(0), 0)
        if not weights.any():
            weights = free.astype(float)
        chosen.append(int(rng.choice(len(points), p=weights / weights.sum())))
        best = np.maximum(best, points @ points[chosen[-1]])
    return points[chosen]


def _checked(vectors: np.ndarray, k: int) -> np.ndarray:
    points = unit_vectors(vectors, np.float64 if np.size(vectors) < LARGE else np.float32)
    if not 1 <= k <= len(points):
        raise ValueError(f"cannot make {k} clusters of {len(points)} vectors: ask for 1 to {len(points)}")
    return points


def _blocks(points: np.ndarray) -> Iterator[slice]:
    return (slice(start, start + BLOCK) for start in range(0, len(points), BLOCK))


def _cosines(points: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    cosines = points @ centroids.T
    return np.round(cosines, TIE_DECIMALS, out=cosines) if cosines.dtype == np.float64 else cosines


def _nearest(cosines: np.ndarray, points: np.ndarray, centroids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the column of the largest of each row of `cosines` (n, k), int32, and its value; see `NEARLY`."""
    nearest, best = cosines.argmax(axis=1).astype(np.int32), cosines.max(axis=1)
    if cosines.dtype == np.float32:
        close = np.flatnonzero(np.count_nonzero(cosines > best[:, None] - NEARLY, axis=1) > 1)
        nearest[close] = _cosines(points[close].astype(np.float64), centroids.astype(np.float64)).argmax(axis=1)
    return nearest, best


def _fill_empty(nearest: np.ndarray, cosines: np.ndarray, k: int) -> np.ndarray:
    sizes = np.bincount(nearest, minlength=k)
    worst_first = iter(np.argsort(cosines, kind="stable"))
    for empty in np.flatnonzero(sizes == 0):
        row = next(row for row in worst_first if sizes[nearest[row]] > 1)
        sizes[nearest[row]] -= 1
        sizes[empty] += 1
        nearest[row] = empty
    return nearest


def _sums(points: np.ndarray, assignment: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Return the sum of the points of each of `clusters` (c,), ascending: (c, d)."""
    rows = np.flatnonzero(np.isin(assignment, clusters))
    which = np.searchsorted(clusters, assignment[rows])
    return csr_array((np.ones(len(rows), points.dtype), (which, rows)), shape=(len(clusters), len(points))) @ points


def _directions(sums: np.ndarray, previous: np.ndarray) -> np.ndarray:
    """Return `sums` (c, d) at length 1; one that cancels out has no direction, so its centroid stays."""
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    known = norms > 10.0**-TIE_DECIMALS
    return np.where(known, sums / np.where(known, norms, 1), previous)


def _worst_leaf(points: np.ndarray, centroids: np.ndarray, assignment: np.ndarray) -> int:
    losses = 1 - np.einsum("nd,nd->n", points, centroids[assignment])
    totals = np.round(np.bincount(assignment, losses, len(centroids)), TIE_DECIMALS)
    return int(np.where(np.bincount(assignment, minlength=len(centroids)) > 1, totals, -np.inf).argmax())
