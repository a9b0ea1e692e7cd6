"""Claim: ten times as many rows cost at most eleven times as much time, in ingestion, embedding, training, evaluation.

Each is measured at two sizes in turn, training over a whole epoch with its validation and checkpoints.
"""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks import embedding, evaluation, ingestion, networks
from benchmarks.planted import write_vectors
from benchmarks.published import asymmetric_loss
from benchmarks.sizes import Sizes
from benchmarks.timing import Numbers, Result, elsewhere, in_turn
from stackstudy.models import training
from stackstudy.questions.planted import write_dump
from stackstudy.systems.neural import BEST_F1

TIMES, MOST = 10, 11.0


def epoch(folder: Path, sizes: Sizes) -> Callable[[], Numbers]:
    """Side that trains DSF-CrossAttn on all rows once."""
    net = networks.network("dsf_crossattn", sizes)
    data = networks.our_data(net, folder, steps=1)
    rows = torch.arange(len(data.targets) - networks.CHOSEN_ON)
    data = training.Data(data.inputs, data.targets, rows, data.validation)
    options = networks.our_options(1, net.batch, 1e-3)

    def work() -> Numbers:
        with tempfile.TemporaryDirectory() as scratch:
            training.train(net.ours, asymmetric_loss(), data, BEST_F1, options, 0, Path(scratch))
        return {}

    return work


def measure(sizes: Sizes, folder: Path) -> Iterator[Result]:
    yield _grown("ingestion", *(_ingestion(folder / f"dump-{n}", n) for n in _both(sizes.grow_questions)), sizes)
    yield _grown("embedding", *(_embedding(folder / f"texts-{n}", n) for n in _both(sizes.grow_bodies)), sizes)
    yield _grown("training", *(_training(folder / f"rows-{n}", n, sizes) for n in _both(sizes.grow_rows)), sizes)
    yield _grown("evaluation", *(_evaluation(folder / f"e-{n}", n, sizes) for n in _both(sizes.grow_test_rows)), sizes)


def _both(rows: int) -> tuple[int, int]:
    return rows, TIMES * rows


def _grown(what: str, small_side: tuple[Any, ...], large_side: tuple[Any, ...], sizes: Sizes) -> Result:
    found = in_turn(sizes.slow_rounds, small=small_side, large=large_side)
    large, small = found["large"], found["small"]
    growth = large.seconds / small.seconds
    return Result(
        name=f"growth_{what}",
        workload=f"{what}, {TIMES} times the rows: {growth:.1f} times the time",
        target=f"{MOST:.0f} times",
        met=growth <= MOST,
        ours_seconds=large.seconds,
        peak_memory_mb=large.anonymous_mb,
        notes={
            "growth": growth,
            "small_seconds": found["small"].seconds,
            "small_memory_mb": found["small"].anonymous_mb,
        },
    )


def _ingestion(folder: Path, rows: int) -> tuple[Any, ...]:
    folder.mkdir()
    elsewhere(write_dump, folder / "Posts.xml", rows)
    return ingestion.ours, folder / "Posts.xml"


def _embedding(folder: Path, rows: int) -> tuple[Any, ...]:
    folder.mkdir()
    return embedding.ours, folder, rows


def _training(folder: Path, rows: int, sizes: Sizes) -> tuple[Any, ...]:
    folder.mkdir()
    elsewhere(write_vectors, folder, rows + networks.CHOSEN_ON, sizes.width, sizes.labels, 3.0)
    return epoch, folder, sizes


def _evaluation(folder: Path, rows: int, sizes: Sizes) -> tuple[Any, ...]:
    folder.mkdir()
    elsewhere(evaluation.write_predictions, folder, 1, rows, sizes.labels)
    return evaluation.ours, folder, sizes.resamples
