"""Claim: networks train several times as many rows a second as the study's loop; one at .75 of the float32 rate.

Published sizes: 4096-d float16 vectors, hidden 1024 (512 of the sequence-aware network), 100 labels. Both sides take
some steps of an epoch; the seconds are those of an epoch of 85,000 rows at that rate. The 32 vectors of a body are
mapped on both sides. Rates are those of a product of DSF-CrossAttn, the largest, measured in turn with both: the limit
is that of the numbers in which our side computes here, float32 or bfloat16.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks import networks
from benchmarks.planted import write_pieces, write_vectors
from benchmarks.sizes import Sizes
from benchmarks.timing import Result, elsewhere, in_turn, matrix_product
from stackstudy.devices import in_bfloat16


class Claim(NamedTuple):
    """What is claimed of a network."""

    ratio: int  # to the study's loop
    of_float32: float = 0.0  # share of the rate of float32 products
    steps: float = 1.0  # share of the usual number

    @property
    def text(self) -> str:
        rate = f"{self.of_float32:.2f}".lstrip("0")
        return f"{self.ratio}x, {rate} of the float32 rate" if self.of_float32 else f"{self.ratio}x"


CLAIMS = {
    "dsf_crossattn": Claim(7, of_float32=0.75),
    "dsf_mhsa": Claim(5),
    "body_mlp": Claim(5),
    "sequence_dsf": Claim(5, steps=0.25),  # a body has 32 vectors
}


def measure(sizes: Sizes, folder: Path) -> Iterator[Result]:
    rows = sizes.batch * (sizes.steps + 1) + networks.CHOSEN_ON
    elsewhere(write_vectors, folder, rows, sizes.width, sizes.labels, 3.0)
    elsewhere(write_pieces, folder, rows, sizes.pieces, sizes.width)
    product = (matrix_product, sizes.batch, sizes.width, sizes.hidden)
    for name, claim in CLAIMS.items():
        own_steps, plain_steps = (max(int(steps * claim.steps), 2) for steps in (sizes.steps, sizes.published_steps))
        found = in_turn(
            sizes.rounds,
            ours=(networks.ours, name, folder, sizes, own_steps),
            usual=(networks.plain, name, folder, sizes, plain_steps),
            limit=(*product, torch.bfloat16 if in_bfloat16("cpu") else torch.float32),
            float32=(*product, torch.float32),
        )
        ours, usual = found["ours"], found["usual"]
        of_limit, of_float32 = (ours.numbers["rate"] / found[name].numbers["rate"] for name in ("limit", "float32"))
        yield Result(
            name=f"{name}_training",
            workload=f"{networks.network(name, sizes).title}, an epoch of {sizes.study_rows:,} rows",
            target=claim.text,
            met=usual.seconds / ours.seconds >= claim.ratio and of_float32 >= claim.of_float32,
            ours_seconds=ours.seconds,
            usual_seconds=usual.seconds,
            of_limit=of_limit,
            peak_memory_mb=ours.peak_mb,
            notes={
                "rows_per_second": ours.numbers["rows_per_second"],
                "usual_rows_per_second": usual.numbers["rows_per_second"],
                "operations": ours.numbers["rate"] / ours.numbers["rows_per_second"],  # of a row
                "of_float32": of_float32,
                "matrix_gflops": found["limit"].numbers["rate"] / 1e9,
            },
        )
