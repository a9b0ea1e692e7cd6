"""Tag systems that are networks over embedding streams: which network, loss and inputs the parameters ask for."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from scipy.special import expit
from torch import Tensor, nn

from stackstudy.devices import pick_device
from stackstudy.evaluation.tags import best_micro_f1
from stackstudy.evaluation.thresholds import thresholds
from stackstudy.models import training
from stackstudy.models.batches import Input
from stackstudy.models.dsf import DSFMHSA, DSFCrossAttention
from stackstudy.models.label_attention import LabelAttention
from stackstudy.models.losses import AsymmetricLoss, FocalLoss, class_weights
from stackstudy.models.mixup import Mixup
from stackstudy.models.mlp import BodyMLP
from stackstudy.models.saving import SavedModel, load_model, save_model
from stackstudy.models.sequence import SequenceDSF
from stackstudy.params import TagsNeural
from stackstudy.systems.data import Apply, Data, Fitted, TagData, predictions_of
from stackstudy.systems.networks import (
    MOST_TAGS,
    fusion_streams,
    inputs_of,
    options_of,
    outputs_of,
    train_networks,
    without_companions,
)
from stackstudy.tagspace.space import TagSpace

BEST_F1 = training.Metric("f1_micro", best_micro_f1, "max")
FUSIONS = {"dsf-mhsa": DSFMHSA, "dsf-crossattn": DSFCrossAttention, "sequence-dsf": SequenceDSF}


def neural(data: TagData, parameters: TagsNeural, folder: Path) -> Fitted:
    """Train a network per seed on embedding streams, and save them with their thresholds as ``folder/model``.

    ValueError: a stream is missing, of another shape or has missing values.
    """
    tensors = _tensors(data, parameters)
    make = _network(parameters, tensors.inputs[0].shape[1], data.space)
    loss = _loss(parameters, tensors.targets[tensors.train])
    options = _options(parameters)
    networks = train_networks(make, loss, data, tensors, BEST_F1, options, parameters.seeds, folder)
    predictions = predictions_of(parameters.name, "tags", data, parameters, _probabilities(networks.outputs))
    cuts = dict(zip(parameters.seeds, thresholds(predictions, data.questions, data.space.labels), strict=True))
    streams = without_companions(streams_of(parameters))
    save_model(SavedModel(networks.models, cuts, streams, tuple(data.space.names), data.encoder), folder / "model")
    return Fitted(predictions, networks.history, networks.size, networks.earlier_seconds)


def load(folder: Path) -> Apply:
    """Return a saved system of this module as a function of any questions, on the device at hand.

    ValueError: it reads the number of labels.
    """
    saved = load_model(folder)
    if next(iter(saved.models.values())).arguments.get("label_count"):
        raise ValueError(
            f"{folder}: as published, this network reads the number of labels that a question has. Nobody knows it of "
            "a new question, so the network cannot be applied: take the corrected system (label_count: false)"
        )

    def apply(data: Data, rows: np.ndarray) -> dict[int, np.ndarray]:
        inputs = inputs_of(data, saved.streams, pick_device("auto"))
        return _probabilities(outputs_of(saved.models, inputs, rows))

    return apply


def streams_of(parameters: TagsNeural) -> tuple[str, ...]:
    """Return the arrays of the embedding store that a system reads."""
    if parameters.system == "body-mlp":
        return ("body",)
    return fusion_streams(parameters.keys)


def _network(parameters: TagsNeural, inputs: int, space: TagSpace) -> Callable[[], nn.Module]:
    outputs = len(space.names)
    if parameters.system == "body-mlp":
        return partial(BodyMLP, inputs, parameters.hidden, outputs, parameters.dropout)
    (width,) = parameters.hidden
    if parameters.system == "label-attention":
        return partial(_label_attention, inputs, width, outputs, parameters.dropout, space.centroids)
    fusion = FUSIONS[parameters.system]
    return partial(fusion, inputs, width, outputs, parameters.dropout, label_count=parameters.label_count)


def _label_attention(inputs: int, width: int, outputs: int, dropout: float, centroids: np.ndarray) -> nn.Module:
    """ValueError: the centroids (outputs, d) are of another dimension than the vectors."""
    if centroids.shape[1] != inputs:
        found = f"{centroids.shape[1]} dimensions, the question vectors {inputs}"
        raise ValueError(f"the centroids have {found}: make both with one encoder")
    return LabelAttention(inputs, width, outputs, dropout, torch.from_numpy(centroids.copy()))


def _loss(parameters: TagsNeural, targets: Tensor) -> nn.Module:
    """Return the loss; `targets` (r, k) are those of the training rows."""
    match parameters.loss:
        case "bce":
            return nn.BCEWithLogitsLoss()
        case "bce-weighted":
            return nn.BCEWithLogitsLoss(pos_weight=class_weights(targets))
        case "asl":
            return AsymmetricLoss(parameters.gamma_negative, parameters.gamma_positive)
        case "focal":
            return FocalLoss()
        case "focal-smoothed":
            return FocalLoss(smoothing=0.05)


def _options(parameters: TagsNeural) -> training.Options:
    mixup = None
    if parameters.mixup_epochs:
        mixup = Mixup(parameters.mixup, parameters.mixup_alpha, parameters.mixup_epochs, parameters.late_dropout)
    return replace(options_of(parameters), gradient_clip=parameters.gradient_clip, mixup=mixup)


def _tensors(data: TagData, parameters: TagsNeural) -> training.Data:
    device = pick_device(parameters.device)
    # The published study had one split: what it chose the epoch on is what it reported.
    validation = "test" if parameters.protocol == "published" else "validation"
    return training.Data(
        inputs=_inputs(data, parameters, device),
        targets=torch.from_numpy(data.labels()).to(device, torch.float32),
        train=torch.from_numpy(data.rows("train")).to(device),
        validation=torch.from_numpy(data.rows(validation)).to(device),
    )


def _inputs(data: TagData, parameters: TagsNeural, device: str) -> tuple[Input, ...]:
    inputs = inputs_of(data, without_companions(streams_of(parameters)), device)
    if not parameters.label_count:
        return inputs
    # The published leak: it tells the network how many labels to give, of the test rows too.
    counts = data.labels().sum(axis=1, keepdims=True, dtype=np.float32) / MOST_TAGS
    return *inputs, torch.from_numpy(counts).to(device)


def _probabilities(outputs: Mapping[int, np.ndarray]) -> dict[int, np.ndarray]:
    """Return probabilities (m, k) by seed from the logits."""
    return {seed: expit(logits) for seed, logits in outputs.items()}
