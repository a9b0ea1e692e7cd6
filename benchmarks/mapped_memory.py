"""Claim: training on 85,000 rows takes under 2 GB beyond the model, with the vectors of bodies mapped from a file.

The model counts four times: weights, gradients and the two moments of AdamW. A few steps on rows spread over all, since
memory does not depend on their number, but for one thing: pages of the mapped file stay resident as long as nobody else
wants them. They count here as far as the steps touch them, and `anonymous_mb` is the memory without them. The 22 GB of
body vectors are a file with a hole: its zeros take the same memory as other numbers.
"""

from collections.abc import Iterator
from pathlib import Path

from benchmarks import networks
from benchmarks.planted import write_pieces, write_vectors
from benchmarks.sizes import Sizes
from benchmarks.timing import Result, elsewhere, once

LIMIT_MB = 2000.0
COPIES = 4  # weights, gradients, two moments


def measure(sizes: Sizes, folder: Path) -> Iterator[Result]:
    elsewhere(write_vectors, folder, sizes.study_rows, sizes.width, sizes.labels, 3.0)
    elsewhere(write_pieces, folder, sizes.study_rows, sizes.pieces, sizes.width)
    for name in ("dsf_mhsa", "body_mlp", "sequence_dsf"):
        found = once(networks.ours, name, folder, sizes, sizes.memory_steps)
        net = networks.network(name, sizes)
        model = COPIES * networks.parameters_mb(net)
        beyond = found.peak_mb - model
        yield Result(
            name=f"{name}_memory",
            workload=f"{net.title}, memory beyond the model for {sizes.study_rows:,} rows",
            target="2,000 MB",
            met=beyond <= LIMIT_MB,
            ours_seconds=found.seconds,
            peak_memory_mb=beyond,
            notes={"anonymous_mb": found.anonymous_mb - model, "model_mb": model},
        )
