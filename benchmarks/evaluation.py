"""Claim: 12 systems on 15,000 questions and 100 labels are evaluated, with 10,000 resamples, in 20 s and 1 GB.

All metrics, the choice of thresholds included. The usual way: scikit-learn's metrics on the rows of each resample, some
resamples of one system, scaled to all of all; it has four of the metrics.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from sklearn.metrics import f1_score, label_ranking_average_precision_score

from benchmarks.sizes import Sizes
from benchmarks.timing import Numbers, Result, elsewhere, in_turn
from stackstudy.evaluation.bootstrap import paired_bootstrap
from stackstudy.evaluation.tags import choose_threshold, row_sums

LIMIT_SECONDS, LIMIT_MB = 20.0, 1000.0
LABELS_PER_ROW = 3


def write_predictions(folder: Path, systems: int, rows: int, labels: int) -> None:
    """Write ``probabilities.npy`` (float32 (systems, rows, labels)) and ``labels.npy`` (bool (rows, labels))."""
    random = np.random.default_rng(0)
    truth = random.random((rows, labels)) < LABELS_PER_ROW / labels
    shape = (systems, rows, labels)
    file = np.lib.format.open_memmap(folder / "probabilities.npy", mode="w+", dtype=np.float32, shape=shape)
    for system in file:
        system[:] = 1 / (1 + np.exp(4 - 5 * truth - random.standard_normal(truth.shape, dtype=np.float32)))
    np.save(folder / "labels.npy", truth)


def ours(folder: Path, resamples: int) -> Callable[[], Numbers]:
    """Side that evaluates all systems."""
    probabilities, truth = _read(folder)

    def work() -> Numbers:
        sums = {}
        for number, system in enumerate(probabilities):
            values = np.array(system)
            sums[str(number)] = [row_sums(values, truth, choose_threshold(values, truth))]
        evaluation = paired_bootstrap(sums, resamples, seed=0)
        return {"f1_micro": float(evaluation.values["0"]["f1_micro"][0])}

    return work


def usual(folder: Path, resamples: int, measured: int) -> Callable[[], Numbers]:
    """Side that calls scikit-learn for each resample."""
    probabilities, truth = _read(folder)
    values, random = np.array(probabilities[0]), np.random.default_rng(0)
    predicted = values >= choose_threshold(values, truth)

    def work() -> Numbers:
        began = time.perf_counter()
        for _ in range(measured):
            rows = random.integers(len(truth), size=len(truth))
            for average in ("micro", "macro", "weighted"):
                f1_score(truth[rows], predicted[rows], average=average, zero_division=0)
            label_ranking_average_precision_score(truth[rows], values[rows])
        return {"seconds": (time.perf_counter() - began) / measured * resamples * len(probabilities)}

    return work


def measure(sizes: Sizes, folder: Path) -> Iterator[Result]:
    elsewhere(write_predictions, folder, sizes.systems, sizes.test_rows, sizes.labels)
    found = in_turn(
        sizes.rounds,
        ours=(ours, folder, sizes.resamples),
        usual=(usual, folder, sizes.resamples, sizes.usual_resamples),
    )
    own, plain = found["ours"], found["usual"]
    shape = f"{sizes.systems} systems x {sizes.test_rows:,} x {sizes.labels}"
    yield Result(
        name="evaluation",
        workload=f"evaluation, {shape}, {sizes.resamples:,} resamples",
        target="20 s, 1,000 MB",
        met=own.seconds <= LIMIT_SECONDS and own.peak_mb <= LIMIT_MB,
        ours_seconds=own.seconds,
        usual_seconds=plain.seconds,
        peak_memory_mb=own.peak_mb,
        notes={"f1_micro": own.numbers["f1_micro"]},
    )


def _read(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    return np.load(folder / "probabilities.npy", mmap_mode="r"), np.load(folder / "labels.npy")
