"""Claim: DSF-CrossAttn trains at least 7 times as many rows a second as the study's loop, at .75 of the matrix rate.

Published size: 4096-d float16 vectors, hidden 1024, 100 labels. Both sides take some steps of an epoch; the seconds are
those of an epoch of 85,000 rows at that rate. The limit is the rate of the largest product of a step, measured in turn
with both.
"""

from collections.abc import Iterator
from pathlib import Path

from benchmarks import networks
from benchmarks.planted import write_vectors
from benchmarks.sizes import Sizes
from benchmarks.timing import Result, elsewhere, in_turn, matrix_product

NAME = "dsf_crossattn"


def measure(sizes: Sizes, folder: Path) -> Iterator[Result]:
    rows = sizes.batch * (sizes.steps + 1) + networks.CHOSEN_ON
    elsewhere(write_vectors, folder, rows, sizes.width, sizes.labels, 3.0)
    found = in_turn(
        sizes.rounds,
        ours=(networks.ours, NAME, folder, sizes, sizes.steps),
        usual=(networks.plain, NAME, folder, sizes, sizes.published_steps),
        limit=(matrix_product, sizes.batch, sizes.width, sizes.hidden),
    )
    ours, usual, limit = found["ours"], found["usual"], found["limit"]
    share = ours.numbers["rate"] / limit.numbers["rate"]
    yield Result(
        name="dsf_crossattn_training",
        workload=f"{networks.network(NAME, sizes).title}, an epoch of {sizes.study_rows:,} rows",
        target="7x, .75 of the matrix rate",
        met=usual.seconds / ours.seconds >= 7 and share >= 0.75,
        ours_seconds=ours.seconds,
        usual_seconds=usual.seconds,
        of_limit=share,
        peak_memory_mb=ours.peak_mb,
        notes={
            "rows_per_second": ours.numbers["rows_per_second"],
            "usual_rows_per_second": usual.numbers["rows_per_second"],
            "operations": ours.numbers["rate"] / ours.numbers["rows_per_second"],  # of a row
            "matrix_gflops": limit.numbers["rate"] / 1e9,
        },
    )
