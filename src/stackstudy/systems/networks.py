"""What the networks for tags and for scores share: their streams, their options, and a training for each seed."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import torch
from torch import nn

from stackstudy.embeddings.store import COMPANIONS
from stackstudy.models import training
from stackstudy.models.course import Metric
from stackstudy.params import ScoresNeural, TagsNeural
from stackstudy.systems.data import Data

MOST_TAGS = 5  # of a question; a number of tags or labels that is an input is divided by it


class Networks(NamedTuple):
    """The networks of one system, one per seed."""

    models: dict[int, nn.Module]
    outputs: dict[int, np.ndarray]  # float32 (m, ...): for the validation and test rows
    history: pl.DataFrame  # a row per seed and epoch

    @property
    def size(self) -> int:
        """How many numbers one of them has learned."""
        return sum(weight.numel() for weight in next(iter(self.models.values())).parameters())


def fusion_streams(keys: str) -> tuple[str, ...]:
    """Return the arrays of the embedding store that a network reads which attends to the stream `keys`."""
    return ("title", keys, *(name for name, stream in COMPANIONS.items() if stream == keys))


def without_companions(streams: tuple[str, ...]) -> tuple[str, ...]:
    """Return the streams themselves: what a saved model asks for."""
    return tuple(name for name in streams if name not in COMPANIONS)


def options_of(parameters: TagsNeural | ScoresNeural) -> training.Options:
    """Return the options of a training that all networks have."""
    return training.Options(
        learning_rate=parameters.learning_rate,
        weight_decay=parameters.weight_decay,
        batch_size=parameters.batch_size,
        max_epochs=parameters.max_epochs,
        patience=parameters.patience,
        schedule=parameters.schedule,
    )


def train_networks(
    make: Callable[[], nn.Module],
    loss: nn.Module,
    data: Data,
    tensors: training.Data,
    metric: Metric,
    options: training.Options,
    seeds: tuple[int, ...],
    folder: Path,
) -> Networks:
    """Train a network per seed; the state of each training is in ``folder/checkpoints``."""
    rows = torch.from_numpy(data.rows("validation", "test")).to(tensors.targets.device)
    models, outputs, histories = {}, {}, []
    for seed in seeds:
        checkpoints = folder / "checkpoints" / f"seed-{seed}"
        trained = training.train(make, loss, tensors, metric, options, seed, checkpoints)
        models[seed] = trained.model
        outputs[seed] = training.predict(trained.model, tensors.inputs, rows, options.batch_size)
        histories.append(trained.history.select(pl.lit(seed).alias("seed"), pl.all()))
    return Networks(models, outputs, pl.concat(histories))
