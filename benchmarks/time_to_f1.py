"""Claim: DSF-CrossAttn reaches the validation F1 of the study's loop in a 25th of its time.

Planted vectors of the published width. The study's schedule is whole: 100 epochs in batches of 32, one cycle to 1e-3,
mixup and dropout .5 for 20 epochs, dropout .25 after; its rows are cut to some hundred. Its time is that of its best
epoch, of which the F1 is the goal; ours that of the first epoch which is as good. Ours has the same network, loss and
rows; larger batches, a larger rate, fewer epochs and no mixup. Steps and validation count on both sides,
not the checkpoint that ours writes after each epoch: of 85,000 rows it is no hundredth, of so few it would be half.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.optim.lr_scheduler import OneCycleLR

from benchmarks import networks, published
from benchmarks.planted import write_vectors
from benchmarks.sizes import Sizes
from benchmarks.timing import Numbers, Result, elsewhere, in_turn
from stackstudy.evaluation.tags import best_micro_f1
from stackstudy.models import training
from stackstudy.models.course import Metric
from stackstudy.models.mixup import set_dropout

NAME = "dsf_crossattn"
NOISE = 8.0
RATE, OWN_RATE = 1e-3, 2e-3
MIXUP_ALPHA = 0.2  # in the first fifth of the study's epochs
LATE_DROPOUT = 0.25  # of the study's loop, once there is no mixup


def plain(folder: Path, sizes: Sizes) -> Callable[[], Numbers]:
    """Side that trains as the study did, and tells time and F1 of its best epoch."""
    net = networks.network(NAME, sizes)

    def work() -> Numbers:
        torch.manual_seed(0)
        model, began, course = net.published(), time.perf_counter(), []
        train, chosen_on = _split(sizes)
        loader = published.batches(published.Questions(folder, net.files, train), net.published_batch, seed=0)
        judged = published.batches(published.Questions(folder, net.files, chosen_on), len(chosen_on), seed=0)
        optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
        schedule = OneCycleLR(optimizer, RATE, total_steps=sizes.f1_epochs * len(loader))
        for number in range(sizes.f1_epochs):
            mixup = MIXUP_ALPHA if number < sizes.f1_epochs // 5 else None  # 20 of 100 epochs
            if mixup is None:
                set_dropout(model, LATE_DROPOUT)
            for _ in published.epoch(model, loader, published.asymmetric_loss(), optimizer, schedule, mixup):
                pass
            course.append((best_micro_f1(*published.outputs(model, judged)), time.perf_counter() - began))
        best, seconds = max(course, key=lambda each: each[0])
        return {"seconds": seconds, "f1": best}

    return work


def ours(folder: Path, sizes: Sizes, goal: float) -> Callable[[], Numbers]:
    """Side that trains with our settings, and tells when it came to `goal`; when it ended, if never."""
    net = networks.network(NAME, sizes)
    data = networks.our_data(net, folder, steps=1)
    train, chosen_on = (torch.arange(each.start, each.stop) for each in _split(sizes))
    data = training.Data(data.inputs, data.targets, train, chosen_on)
    options = networks.our_options(sizes.f1_own_epochs, sizes.f1_batch, OWN_RATE)

    def work() -> Numbers:
        clock, course = [], []  # when steps began; F1 and seconds so far of each epoch

        def judged(outputs: np.ndarray, targets: np.ndarray) -> float:
            f1, spent = best_micro_f1(outputs, targets), time.perf_counter() - clock[0]
            course.append((f1, spent + (course[-1][1] if course else 0.0)))
            clock.clear()
            return f1

        with tempfile.TemporaryDirectory() as scratch:
            own, metric = partial(networks.clocked, net.ours, clock), Metric("f1_micro", judged, "max")
            training.train(own, published.asymmetric_loss(), data, metric, options, 0, Path(scratch))
        reached = [seconds for f1, seconds in course if f1 >= goal]
        return {"seconds": reached[0] if reached else course[-1][1], "f1": max(f1 for f1, _ in course)}

    return work


def measure(sizes: Sizes, folder: Path) -> Iterator[Result]:
    elsewhere(write_vectors, folder, sizes.f1_rows, sizes.width, sizes.labels, NOISE)
    usual = in_turn(1, usual=(plain, folder, sizes))["usual"]
    own = in_turn(sizes.rounds, ours=(ours, folder, sizes, usual.numbers["f1"]))["ours"]
    title = networks.network(NAME, sizes).title
    yield Result(
        name="dsf_crossattn_time_to_f1",
        workload=f"{title} to the F1 of {sizes.f1_epochs} published epochs, {sizes.f1_rows:,} rows",
        target="25x",
        met=usual.seconds / own.seconds >= 25 and own.numbers["f1"] >= usual.numbers["f1"],
        ours_seconds=own.seconds,
        usual_seconds=usual.seconds,
        peak_memory_mb=own.peak_mb,
        notes={"f1": own.numbers["f1"], "usual_f1": usual.numbers["f1"]},
    )


def _split(sizes: Sizes) -> tuple[range, range]:
    """Return the rows to learn from, and the fifth to choose on."""
    train = sizes.f1_rows * 4 // 5
    return range(train), range(train, sizes.f1_rows)
