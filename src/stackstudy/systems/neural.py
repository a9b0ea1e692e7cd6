"""Tag systems that are networks over embedding streams."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import torch
from scipy.special import expit
from torch import nn

from stackstudy.devices import pick_device
from stackstudy.evaluation.tables import thresholds
from stackstudy.evaluation.tags import choose_threshold, micro_f1_at
from stackstudy.models import training
from stackstudy.models.mlp import BodyMLP
from stackstudy.models.saving import SavedModel, save_model
from stackstudy.params import TagsNeural
from stackstudy.systems.data import Fitted, TagData, predictions_of


def body_mlp(data: TagData, parameters: TagsNeural, folder: Path) -> Fitted:
    """Fit the published MLP: body vector -> hidden layers -> a sigmoid per label, binary cross-entropy."""
    width, labels = data.stream("body").shape[1], len(data.space.names)
    make = partial(BodyMLP, width, parameters.hidden, labels, parameters.dropout)
    return _fit(data, parameters, folder, ("body",), make, nn.BCEWithLogitsLoss())


def _fit(
    data: TagData,
    parameters: TagsNeural,
    folder: Path,
    streams: tuple[str, ...],
    make: Callable[[], nn.Module],
    loss: nn.Module,
) -> Fitted:
    """Train a network per seed on `streams`, and save them with their thresholds as ``folder/model``."""
    tensors = _tensors(data, parameters, streams)
    options = training.Options(
        learning_rate=parameters.learning_rate,
        weight_decay=parameters.weight_decay,
        batch_size=parameters.batch_size,
        max_epochs=parameters.max_epochs,
        patience=parameters.patience,
    )
    rows = torch.from_numpy(data.rows("validation", "test")).to(tensors.targets.device)
    models, histories, probabilities = {}, [], {}
    for seed in parameters.seeds:
        checkpoints = folder / "checkpoints" / f"seed-{seed}"
        trained = training.train(make, loss, tensors, BEST_F1, options, seed, checkpoints)
        models[seed] = trained.model
        histories.append(trained.history.select(pl.lit(seed).alias("seed"), pl.all()))
        probabilities[seed] = expit(training.predict(trained.model, tensors.inputs, rows, parameters.batch_size))
    predictions = predictions_of(parameters.system, "tags", data, parameters, probabilities)
    cuts = dict(zip(parameters.seeds, thresholds(predictions, data.questions, data.space.labels), strict=True))
    save_model(SavedModel(models, cuts, streams, tuple(data.space.names), data.encoder), folder / "model")
    return Fitted(predictions, pl.concat(histories))


def _tensors(data: TagData, parameters: TagsNeural, streams: tuple[str, ...]) -> training.Data:
    device = pick_device(parameters.device)
    # The published study had one split: what it chose the epoch on is what it reported.
    validation = "test" if parameters.protocol == "published" else "validation"
    return training.Data(
        inputs=tuple(training.to_device(data.stream(name), device) for name in streams),
        targets=torch.from_numpy(data.labels()).to(device, torch.float32),
        train=torch.from_numpy(data.rows("train")).to(device),
        validation=torch.from_numpy(data.rows(validation)).to(device),
    )


def _best_f1(logits: np.ndarray, targets: np.ndarray) -> float:
    """Return micro F1 at the threshold that is best for it."""
    labels = targets > 0
    return float(micro_f1_at(logits, labels, np.array([choose_threshold(logits, labels)], dtype=np.float32))[0])


BEST_F1 = training.Metric("f1_micro", _best_f1, "max")
