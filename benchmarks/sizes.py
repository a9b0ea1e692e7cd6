"""All sizes in one place: those of the study, cut where a comment says so, and tiny ones that only show it runs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """What the benchmarks measure; the defaults are what `make bench` takes."""

    rounds: int = 3  # of a comparison, both sides in turn; medians count
    slow_rounds: int = 2  # of one that takes a minute
    profile: str = "sample"  # whose report has been made
    limit_side: int = 4096  # of the square matrices whose product gives the matrix rate
    limit_bytes: int = 1 << 30  # that are copied in memory, written to and read from the disk

    # Networks: the study's vectors and labels.
    width: int = 4096
    hidden: int = 1024
    sequence_hidden: int = 512
    mlp_hidden: tuple[int, ...] = (2048, 1024)
    labels: int = 100
    study_rows: int = 85_000  # of one epoch; seconds of fewer are scaled to it
    pieces: int = 32  # vectors of a body
    batch: int = 1024  # of ours; the study's are 32 and 64
    steps: int = 8  # of ours in a round, cut from the 83 of an epoch
    published_steps: int = 24  # of the plain loop in a round, cut from 2,657
    sequence_batch: int = 128
    memory_steps: int = 3
    f1_rows: int = 480  # cut from 85,000
    f1_epochs: int = 100
    f1_batch: int = 64
    f1_own_epochs: int = 12

    # XGBoost: rows cut from 63,000, rounds extrapolated to 1,000.
    classes: int = 59
    tree_rows: int = 3000
    tree_timed_rounds: int = 1
    tree_rounds: int = 1000
    tree_judged_rounds: int = 30

    bodies: int = 2000
    tags: int = 22_753
    clusters: int = 100

    systems: int = 12
    test_rows: int = 15_000
    resamples: int = 10_000
    usual_resamples: int = 1  # of one system, extrapolated to all

    dump_rows: int = 355_000  # planted questions with their answers: 1 GB
    many_rows: int = 1_000_000  # planted questions that go through it all
    many_labels: int = 100
    many_width: int = 384
    many_hidden: int = 256
    many_resamples: int = 1000

    # Growth: from these to ten times as many.
    grow_questions: int = 10_000
    grow_bodies: int = 40
    grow_rows: int = 2048
    grow_test_rows: int = 1500


FULL = Sizes()
SMOKE = Sizes(
    rounds=1,
    slow_rounds=1,
    profile="smoke",
    limit_side=256,
    limit_bytes=1 << 20,
    width=64,
    hidden=32,
    sequence_hidden=32,
    mlp_hidden=(64, 32),
    labels=10,
    study_rows=500,
    pieces=4,
    batch=64,
    steps=3,
    published_steps=3,
    sequence_batch=32,
    memory_steps=2,
    f1_rows=320,
    f1_epochs=2,
    f1_batch=64,
    f1_own_epochs=2,
    classes=5,
    tree_rows=200,
    tree_timed_rounds=2,
    tree_judged_rounds=4,
    bodies=16,
    tags=300,
    clusters=10,
    systems=2,
    test_rows=200,
    resamples=100,
    usual_resamples=1,
    dump_rows=500,
    many_rows=1000,
    many_labels=8,
    many_width=32,
    many_hidden=16,
    many_resamples=50,
    grow_questions=50,
    grow_bodies=2,
    grow_rows=128,
    grow_test_rows=50,
)
