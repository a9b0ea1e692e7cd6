"""Claim: a dump of 1 GB is ingested at half the speed of a bare parser or faster, all cores used.

The dump is planted and written once. The bare parser is lxml's, which reads all rows and drops them; ours checks,
cleans, de-duplicates and splits the questions, and writes the table. Memory includes the processes that share the work,
and with it what those have in common more than once.
"""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from lxml import etree

from benchmarks.sizes import Sizes
from benchmarks.timing import Numbers, Result, elsewhere, in_turn
from stackstudy.questions.ingest import ingest
from stackstudy.questions.planted import write_dump

SLOWER = 2.0


def ours(path: Path) -> Callable[[], Numbers]:
    """Side that makes the question table."""

    def work() -> Numbers:
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            table = Path(scratch) / "questions.parquet"
            report = ingest([path], table)
            return {"questions": report.questions, "table_bytes": table.stat().st_size}

    return work


def bare(path: Path) -> Callable[[], Numbers]:
    """Side that parses and does nothing."""

    def work() -> Numbers:
        rows = 0
        for _, row in etree.iterparse(str(path), tag="row", huge_tree=True):
            rows += 1
            row.clear()
            while row.getprevious() is not None:
                del row.getparent()[0]
        return {"rows": rows}

    return work


def measure(sizes: Sizes, folder: Path) -> Iterator[Result]:
    path = folder / "Posts.xml"
    elsewhere(write_dump, path, sizes.dump_rows)
    found = in_turn(sizes.slow_rounds, ours=(ours, path), usual=(bare, path))
    own, plain = found["ours"], found["usual"]
    megabytes = path.stat().st_size / 1e6
    yield Result(
        name="ingestion",
        workload=f"ingestion of a Posts.xml of {megabytes:,.0f} MB",
        target="half a bare parser's speed",
        met=own.seconds <= SLOWER * plain.seconds,
        ours_seconds=own.seconds,
        usual_seconds=plain.seconds,
        peak_memory_mb=own.anonymous_mb,
        notes={"megabytes_per_second": megabytes / own.seconds, **own.numbers},
    )
