"""Spherical k-means on unit vectors, flat and recursive (Dhillon & Modha 2001; recursion as in the study).

The objective is the sum of the cosines of all points to the centroid of their cluster, and is maximised.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

BLOCK = 8192  # rows of one matrix product
MAX_ITERATIONS = 300
TIE_DECIMALS = 12  # cosines that differ less are a tie, so that the BLAS at hand does not decide


@dataclass(frozen=True)
class Clustering:
    """Unit centroids (k, d), the cluster (n,) of every point, and the objective after each iteration."""

    centroids: np.ndarray
    assignment: np.ndarray
    objectives: tuple[float, ...]

    @property
    def objective(self) -> float:
        return self.objectives[-1]


def unit_vectors(vectors: np.ndarray) -> np.ndarray:
    """Return `vectors` (n, d) as float64 rows of length 1; ValueError for a zero or non-finite row, by its number."""
    wide = np.asarray(vectors, dtype=np.float64)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    bad = np.flatnonzero(~(np.isfinite(norms[:, 0]) & (norms[:, 0] > 0)))
    if bad.size:
        raise ValueError(f"vector {bad[0]} has no direction: it is zero or not finite, and so cannot be clustered")
    return wide / norms


def spherical_kmeans(vectors: np.ndarray, k: int, *, restarts: int, seed: int) -> Clustering:
    """Cluster `vectors` (n, d) into k by cosine; of `restarts` seeded starts the best objective wins, ties the first.

    Every cluster has a point. ValueError if k is not between 1 and n.
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
    objective = float(np.einsum("nd,nd->", points, np.array(centroids)[assignment]))
    return Clustering(np.array(centroids), assignment, (objective,))


def lloyd(points: np.ndarray, start: np.ndarray) -> Clustering:
    """Improve centroids `start` (k, d) on unit `points` (n, d) until no point changes its cluster.

    An empty cluster takes the point that fits worst where it is (ties: the lowest row) and is not alone there.
    """
    centroids, assignment, objectives = start, None, []
    for _ in range(MAX_ITERATIONS):
        nearest, cosines = assign(points, centroids)
        nearest = _fill_empty(nearest, cosines, len(centroids))
        if assignment is not None and np.array_equal(nearest, assignment):
            break
        assignment = nearest
        centroids, objective = _means(points, assignment, centroids)
        objectives.append(objective)
    return Clustering(centroids, assignment, tuple(objectives))


def assign(points: np.ndarray, centroids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest of unit `centroids` (k, d) for each unit point (ties: the lowest number) and its cosine."""
    nearest, cosines = np.empty(len(points), dtype=np.int32), np.empty(len(points))
    for start in range(0, len(points), BLOCK):
        block = np.round(points[start : start + BLOCK] @ centroids.T, TIE_DECIMALS)
        nearest[start : start + BLOCK] = block.argmax(axis=1)
        cosines[start : start + BLOCK] = block.max(axis=1)
    return nearest, cosines


def seed_centroids(points: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """Draw k of the unit `points` as centroids, each with probability 1 - cosine to the nearest one drawn so far.

    This is k-means++ (Arthur & Vassilvitskii 2007), as squared chords are 2 - 2 cosine. When only repeats of drawn
    points are left, they are equally likely.
    """
    chosen = [int(rng.integers(len(points)))]
    best = points @ points[chosen[0]]
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
    points = unit_vectors(vectors)
    if not 1 <= k <= len(points):
        raise ValueError(f"cannot make {k} clusters of {len(points)} vectors: ask for 1 to {len(points)}")
    return points


def _fill_empty(nearest: np.ndarray, cosines: np.ndarray, k: int) -> np.ndarray:
    sizes = np.bincount(nearest, minlength=k)
    worst_first = iter(np.argsort(cosines, kind="stable"))
    for empty in np.flatnonzero(sizes == 0):
        row = next(row for row in worst_first if sizes[nearest[row]] > 1)
        sizes[nearest[row]] -= 1
        sizes[empty] += 1
        nearest[row] = empty
    return nearest


def _means(points: np.ndarray, assignment: np.ndarray, previous: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the directions of the cluster sums, and the objective with them as centroids.

    A sum that cancels out has no direction, so its centroid stays. The cosines of a cluster's points to its centroid
    add up to that of their sum, so that no point is looked at again.
    """
    rows = np.arange(len(points))
    sums = csr_array((np.ones(len(points)), (assignment, rows)), shape=(len(previous), len(points))) @ points
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    known = norms > 10.0**-TIE_DECIMALS
    centroids = np.where(known, sums / np.where(known, norms, 1), previous)
    return centroids, float(np.vdot(sums, centroids))


def _worst_leaf(points: np.ndarray, centroids: np.ndarray, assignment: np.ndarray) -> int:
    losses = 1 - np.einsum("nd,nd->n", points, centroids[assignment])
    totals = np.round(np.bincount(assignment, losses, len(centroids)), TIE_DECIMALS)
    return int(np.where(np.bincount(assignment, minlength=len(centroids)) > 1, totals, -np.inf).argmax())
