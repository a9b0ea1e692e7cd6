"""What the networks for tags and for scores share: their streams, their options, and a training for each seed."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import torch
from torch import nn

from stackstudy.embeddings.store import COMPANIONS
from stackstudy.models import training
from stackstudy.models.batches import Input, to_device
from stackstudy.models.course import Metric
from stackstudy.params import ScoresNeural, TagsNeural
from stackstudy.systems.data import Data
from stackstudy.systems.inputs import fusion_inputs, stored_vectors

BATCH = 256  # questions at a time, after the training
MOST_TAGS = 5  # of a question; a number of tags or labels that is an input is divided by it


class Networks(NamedTuple):
    """The networks of one system, one per seed."""

    models: dict[int, nn.Module]
    outputs: dict[int, np.ndarray]  # float32 (m, ...): for the validation and test rows
    history: pl.DataFrame  # a row per seed and epoch
    earlier_seconds: float  # of the calls that the trainings go on from

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


def inputs_of(data: Data, streams: Sequence[str], device: str) -> tuple[Input, ...]:
    """Return what a network takes that reads these streams: one vector, or a title vector and the pieces of a body."""
    if len(streams) == 1:
        return (to_device(stored_vectors(data, streams[0]), device),)
    return fusion_inputs(data, streams[1], device)


def options_of(parameters: TagsNeural | ScoresNeural) -> training.Options:
    """Return the options of a training that all networks have."""
    return training.Options(
        learning_rate=parameters.learning_rate,
        weight_decay=parameters.weight_decay,
        batch_size=parameters.batch_size,
        max_epochs=parameters.max_epochs,
        patience=parameters.patience,
        devices=parameters.devices,
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
    models, histories, earlier = {}, [], 0.0
    for seed in seeds:
        checkpoints = folder / "checkpoints" / f"seed-{seed}"
        trained = training.train(make, loss, tensors, metric, options, seed, checkpoints)
        models[seed] = trained.model
        earlier += trained.earlier_seconds
        histories.append(trained.history.select(pl.lit(seed).alias("seed"), pl.all()))
    outputs = outputs_of(models, tensors.inputs, data.rows("validation", "test"))
    return Networks(models, outputs, pl.concat(histories), earlier)


def outputs_of(models: Mapping[int, nn.Module], inputs: tuple[Input, ...], rows: np.ndarray) -> dict[int, np.ndarray]:
    """Return the outputs of trained networks by seed, float32 (r, ...), for `rows` (r,) of the inputs."""
    places = torch.from_numpy(np.ascontiguousarray(rows)).to(inputs[0].device)
    return {seed: training.predict(model, inputs, places, BATCH) for seed, model in models.items()}
