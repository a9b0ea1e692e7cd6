"""Metrics as functions of sums over rows, and the paired bootstrap over questions built on that.

Every metric of the study depends on the test rows through a few sums (hits, errors, squares). A resample weights
each row by the number of times it was drawn, so the sums of many resamples are one matrix product, and a metric is
computed by the same code for the point estimate, a resample and a stratum.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

Metrics = dict[str, np.ndarray]
BLOCK = 128  # resamples at a time: 15,000 rows of counts take 8 MB
LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class RowSums:
    """What the metrics of one system and seed need of each row, and how they follow from the sums."""

    parts: tuple[np.ndarray | sparse.csr_array, ...]  # each (n, c), in the precision that its sums need
    metrics: Callable[..., Metrics]  # called with the sums of each part, (c, r); returns name -> (r,)
    constants: Mapping[str, float] = field(default_factory=dict)  # reported beside the metrics: the threshold

    @property
    def rows(self) -> int:
        return self.parts[0].shape[0]

    def take(self, rows: np.ndarray) -> "RowSums":
        """Return the same for some of the rows, given by position or as a mask (n,)."""
        return RowSums(tuple(part[rows] for part in self.parts), self.metrics, self.constants)

    def among(self, places: np.ndarray, rows: int) -> "RowSums":
        """Return the same as what stands at `places` (n,) among `rows` rows, of which all others count nothing."""
        return RowSums(tuple(_placed(part, places, rows) for part in self.parts), self.metrics, self.constants)

    def point(self) -> dict[str, float]:
        """Return each metric on these rows, and the constants."""
        sums = (np.asarray(part.sum(axis=0, dtype=np.float64)).reshape(-1, 1) for part in self.parts)
        return {name: float(value[0]) for name, value in self.metrics(*sums).items()} | dict(self.constants)

    def resampled(self, counts: np.ndarray) -> Metrics:
        """Return each metric (r,) when row i is drawn counts[i, j] times; `counts` is float32 (n, r)."""
        return self.metrics(*(part.T @ counts.astype(part.dtype, copy=False) for part in self.parts))


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Every metric of several systems on the same rows."""

    rows: int
    values: dict[str, Metrics]  # system -> metric -> (seeds,)
    resampled: dict[str, Metrics]  # system -> metric -> (resamples,), each the mean over the seeds


def paired_bootstrap(
    systems: Mapping[str, Sequence[RowSums]], resamples: int, seed: int, *, seeds_too: bool = False
) -> Evaluation:
    """Evaluate `systems` (name -> one RowSums per seed) on the same `resamples` draws of rows with replacement.

    Questions are resampled, seeds are not: within a resample a system's metric is the mean over its seeds. Intervals
    thus tell what other questions would change; how far seeds scatter is `Evaluation.values`. (Efron & Tibshirani,
    An Introduction to the Bootstrap, 1993, ch. 13.) With `seeds_too` as many seeds as there are are drawn with
    replacement in each resample, apart from the questions and the same for all systems that have as many: intervals
    then tell what other questions and other seeds would change. (Owen, The pigeonhole bootstrap, 2007; of few seeds it
    sees too little of their scatter, the share 1 - 1/s of its variance.) ValueError: no systems, or they have different
    rows.
    """
    rows = _common_rows(systems)
    values = {name: _stack([each.point() for each in seeds]) for name, seeds in systems.items()}
    drawn: dict[str, list[Metrics]] = {name: [] for name in systems}
    weights = {name: _seed_weights(len(seeds), resamples, seed, seeds_too) for name, seeds in systems.items()}
    done = 0
    # One thread: the products are small, and their last digits then do not depend on the number of cores.
    with threadpool_limits(1, user_api="blas"):
        for counts in draw_counts(rows, resamples, seed):
            for name, seeds in systems.items():
                of_seeds = _stack([each.resampled(counts) for each in seeds])
                weight = weights[name][:, done : done + counts.shape[1]]
                drawn[name].append({metric: (weight * value).sum(axis=0) for metric, value in of_seeds.items()})
            done += counts.shape[1]
    resampled = {name: {m: np.concatenate([b[m] for b in blocks]) for m in blocks[0]} for name, blocks in drawn.items()}
    return Evaluation(rows, values, resampled)


def draw_counts(rows: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Yield, block by block, how often each row is drawn when `rows` are drawn with replacement: float32 (rows, r)."""
    random = np.random.default_rng(seed)
    for start in range(0, resamples, BLOCK):
        draws = random.integers(rows, size=(min(BLOCK, resamples - start), rows))
        counts = np.stack([np.bincount(draw, minlength=rows) for draw in draws]).astype(np.float32)
        yield np.ascontiguousarray(counts.T)


def _seed_weights(seeds: int, resamples: int, seed: int, drawn: bool) -> np.ndarray:
    """Return the weight of each seed in each resample: float64 (seeds, resamples), adding up to 1 over the seeds."""
    if not drawn:
        return np.full((seeds, resamples), 1 / seeds)
    random = np.random.default_rng((seed, seeds))  # another stream than that of the questions
    return random.multinomial(seeds, np.full(seeds, 1 / seeds), resamples).T / seeds


def interval(resampled: np.ndarray, level: float = LEVEL) -> tuple[float, float]:
    """Return the percentile interval of resampled values (r,), of those defined; NaN when none is."""
    defined = resampled[~np.isnan(resampled)]
    if not defined.size:
        return np.nan, np.nan
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def p_value(differences: np.ndarray) -> float:
    """Return the two-sided p of resampled differences (r,): twice the smaller share on either side of zero.

    Zeros count on both sides, and one is added to counts and resamples so that p is never 0. NaN when a difference
    is undefined.
    """
    if np.isnan(differences).any():
        return np.nan
    smaller = min((differences <= 0).sum(), (differences >= 0).sum())
    return float(min(1, 2 * (smaller + 1) / (differences.size + 1)))


def holm(p: Sequence[float]) -> np.ndarray:
    """Return p-values (m,) corrected for m tests (Holm 1979); undefined ones stay NaN and are not counted."""
    raw = np.asarray(p, dtype=np.float64)
    order = np.argsort(raw, kind="stable")[: (~np.isnan(raw)).sum()]
    corrected = np.full(raw.shape, np.nan)
    corrected[order] = np.maximum.accumulate(raw[order] * np.arange(order.size, 0, -1)).clip(max=1)
    return corrected


def _placed(part: np.ndarray | sparse.csr_array, places: np.ndarray, rows: int) -> np.ndarray | sparse.csr_array:
    """Return `part` (n, c) as the rows at `places` of a matrix (rows, c) of zeros otherwise."""
    if isinstance(part, np.ndarray):
        placed = np.zeros((rows, part.shape[1]), part.dtype)
        placed[places] = part
        return placed
    ones = np.ones(len(places), part.dtype)
    return sparse.csr_array((ones, (places, np.arange(len(places)))), shape=(rows, len(places))) @ part


def _common_rows(systems: Mapping[str, Sequence[RowSums]]) -> int:
    rows = {each.rows for seeds in systems.values() for each in seeds}
    if len(rows) != 1 or 0 in rows:
        raise ValueError(f"systems must be compared on the same rows, one or more; these have {sorted(rows) or 'none'}")
    return rows.pop()


def _stack(seeds: Sequence[Mapping[str, float | np.ndarray]]) -> Metrics:
    """Return metric -> (seeds, ...)."""
    return {metric: np.stack([each[metric] for each in seeds]) for metric in seeds[0]}
