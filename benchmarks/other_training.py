"""Claim: DSF-MHSA, the body MLP and the sequence-aware DSF train at least 5 times as many rows a second as the study.

As for DSF-CrossAttn: published sizes, some steps of an epoch on each side, seconds of an epoch of 85,000 rows. The 32
vectors of a body are mapped on both sides.
"""

from collections.abc import Iterator
from pathlib import Path

from benchmarks import networks
from benchmarks.planted import write_pieces, write_vectors
from benchmarks.sizes import Sizes
from benchmarks.timing import Result, elsewhere, in_turn, matrix_product

STEPS = {"dsf_mhsa": 1.0, "body_mlp": 1.0, "sequence_dsf": 0.25}  # shares of the usual number: a body has 32 vectors


def measure(sizes: Sizes, folder: Path) -> Iterator[Result]:
    rows = sizes.batch * (sizes.steps + 1) + networks.CHOSEN_ON
    elsewhere(write_vectors, folder, rows, sizes.width, sizes.labels, 3.0)
    elsewhere(write_pieces, folder, rows, sizes.pieces, sizes.width)
    for name, share in STEPS.items():
        ours_steps, plain_steps = (max(int(steps * share), 2) for steps in (sizes.steps, sizes.published_steps))
        found = in_turn(
            sizes.rounds,
            ours=(networks.ours, name, folder, sizes, ours_steps),
            usual=(networks.plain, name, folder, sizes, plain_steps),
            limit=(matrix_product, sizes.batch, sizes.width, sizes.hidden),
        )
        ours, usual = found["ours"], found["usual"]
        yield Result(
            name=f"{name}_training",
            workload=f"{networks.network(name, sizes).title}, an epoch of {sizes.study_rows:,} rows",
            target="5x",
            met=usual.seconds / ours.seconds >= 5,
            ours_seconds=ours.seconds,
            usual_seconds=usual.seconds,
            of_limit=ours.numbers["rate"] / found["limit"].numbers["rate"],
            peak_memory_mb=ours.peak_mb,
            notes={
                "rows_per_second": ours.numbers["rows_per_second"],
                "usual_rows_per_second": usual.numbers["rows_per_second"],
            },
        )
