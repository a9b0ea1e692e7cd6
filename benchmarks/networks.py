"""The four networks of the study as both sides train them: ours by `training.train`, the study's by a plain loop.

Without mixup, which the study has in one epoch of five at most.
"""

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import published
from benchmarks.sizes import Sizes
from benchmarks.timing import Numbers
from stackstudy.models import training
from stackstudy.models.batches import gather
from stackstudy.models.dsf import DSFMHSA, DSFCrossAttention
from stackstudy.models.mlp import BodyMLP
from stackstudy.models.sequence import SequenceDSF
from stackstudy.systems.data import Data
from stackstudy.systems.networks import inputs_of
from stackstudy.systems.neural import BEST_F1

CHOSEN_ON = 64  # rows at the end of the files, in place of validation rows


class Network(NamedTuple):
    """What both sides train, and in which batches."""

    title: str
    streams: tuple[str, ...]  # that it reads
    ours: Callable[[], nn.Module]
    published: Callable[[], nn.Module]
    batch: int
    published_batch: int

    @property
    def files(self) -> tuple[str, ...]:
        """What the streams are read from: tokens come with a mask."""
        return (*self.streams, *(f"{name}_mask" for name in self.streams if name == "body_tokens"))


def network(name: str, sizes: Sizes) -> Network:
    """Return a network of the study by its name."""
    width, labels, both = sizes.width, sizes.labels, ("title", "body")
    shape, shorter = (width, sizes.hidden, labels), (width, sizes.sequence_hidden, labels)
    layers = (width, sizes.mlp_hidden, labels)
    batch, sequence_batch = sizes.batch, sizes.sequence_batch
    fusion, plain_fusion = partial(DSFCrossAttention, *shape, 0.5), partial(published.CrossAttention, *shape)
    self_fusion, plain_self_fusion = partial(DSFMHSA, *shape, 0.4), partial(published.SelfAttention, *shape)
    mlp, plain_mlp = partial(BodyMLP, *layers, 0.3), partial(published.body_mlp, *layers)
    sequence, plain_sequence = partial(SequenceDSF, *shorter, 0.5), partial(published.Sequence, *shorter)
    tokens = ("title", "body_tokens")
    return {
        "dsf_crossattn": Network("DSF-CrossAttn", both, fusion, plain_fusion, batch, 32),
        "dsf_mhsa": Network("DSF-MHSA", both, self_fusion, plain_self_fusion, batch, 32),
        "body_mlp": Network("body MLP", ("body",), mlp, plain_mlp, batch, 64),
        "sequence_dsf": Network("sequence DSF", tokens, sequence, plain_sequence, sequence_batch, 64),
    }[name]


def ours(name: str, folder: Path, sizes: Sizes, steps: int) -> Callable[[], Numbers]:
    """Side that trains for `steps` steps, on rows spread over all; its seconds are those of an epoch of the study."""
    net = network(name, sizes)
    data = our_data(net, folder, steps=steps + 1)
    options = our_options(epochs=1, batch=net.batch, rate=1e-3)
    flops = operations(net, data)

    def work() -> Numbers:
        clock: list[float] = []
        with tempfile.TemporaryDirectory() as scratch:
            make = partial(clocked, net.ours, clock)
            training.train(make, published.asymmetric_loss(), data, BEST_F1, options, 0, Path(scratch))
        rate = steps * net.batch / (clock[-1] - clock[0])
        return {"seconds": sizes.study_rows / rate, "rows_per_second": rate, "rate": rate * flops}

    return work


def plain(name: str, folder: Path, sizes: Sizes, steps: int) -> Callable[[], Numbers]:
    """Side that trains as the study did, and reports as `ours` does."""
    net, rate = network(name, sizes), 1e-3
    model, size = net.published(), net.published_batch
    rows = range((steps + 1) * size)
    loader = published.batches(published.Questions(folder, net.files, rows), size, seed=0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)

    def work() -> Numbers:
        schedule = OneCycleLR(optimizer, rate, total_steps=len(loader))
        epoch = published.epoch(model, loader, published.asymmetric_loss(), optimizer, schedule)
        clock = [time.perf_counter() for _ in epoch]
        rate_of_rows = (len(clock) - 1) * size / (clock[-1] - clock[0])
        return {"seconds": sizes.study_rows / rate_of_rows, "rows_per_second": rate_of_rows}

    return work


def our_data(net: Network, folder: Path, steps: int) -> training.Data:
    """Return what is trained on, as the systems read it from an embedding store: `steps` batches from all rows."""
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in (*net.files, "labels")}
    labels = arrays.pop("labels")
    inputs = inputs_of(Data(pl.DataFrame({"row": np.arange(len(labels))}), arrays), net.streams, "cpu")
    rows = torch.linspace(0, len(labels) - CHOSEN_ON - 1, steps * net.batch).long()
    chosen_on = torch.arange(len(labels) - CHOSEN_ON, len(labels))
    return training.Data(inputs, torch.from_numpy(np.array(labels)).float(), rows, chosen_on)


def our_options(epochs: int, batch: int, rate: float) -> training.Options:
    """Return the study's options, but for the size of a batch and the learning rate that goes with it."""
    return training.Options(rate, 0.01, batch, epochs, None, "onecycle", gradient_clip=1.0)


def operations(net: Network, data: training.Data) -> float:
    """Return the floating point operations of matrix products in one training step, for each row."""
    with FlopCounterMode(display=False) as counter:
        net.ours()(*gather(data.inputs, data.train[: net.batch])).sum().backward()
    return counter.get_total_flops() / net.batch


def parameters_mb(net: Network) -> float:
    """Return the size of a network's weights."""
    return sum(each.numel() * each.element_size() for each in net.ours().parameters()) / 2**20


def clocked(make: Callable[[], nn.Module], clock: list[float]) -> nn.Module:
    """Return the network; it notes when each training step begins."""
    model = make()
    model.register_forward_pre_hook(lambda module, _: clock.append(time.perf_counter()) if module.training else None)
    return model
