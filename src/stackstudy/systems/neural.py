"""Tag systems that are networks over embedding streams: which network, loss and inputs the parameters ask for."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from scipy.special import expit
from torch import Tensor, nn

from stackstudy.devices import pick_device
from stackstudy.evaluation.tables import thresholds
from stackstudy.evaluation.tags import choose_threshold, micro_f1_at
from stackstudy.models import training
from stackstudy.models.batches import Input, to_device
from stackstudy.models.dsf import DSFMHSA, DSFCrossAttention
from stackstudy.models.losses import AsymmetricLoss, FocalLoss, class_weights
from stackstudy.models.mixup import Mixup
from stackstudy.models.mlp import BodyMLP
from stackstudy.models.saving import SavedModel, save_model
from stackstudy.models.sequence import SequenceDSF
from stackstudy.params import TagsNeural
from stackstudy.systems.data import Fitted, TagData, predictions_of
from stackstudy.systems.inputs import fusion_inputs, vectors_of
from stackstudy.systems.networks import MOST_TAGS, fusion_streams, options_of, train_networks, without_companions

FUSIONS = {"dsf-mhsa": DSFMHSA, "dsf-crossattn": DSFCrossAttention, "sequence-dsf": SequenceDSF}


def neural(data: TagData, parameters: TagsNeural, folder: Path) -> Fitted:
    """Train a network per seed on embedding streams, and save them with their thresholds as ``folder/model``.

    ValueError: a stream is missing, of another shape or has missing values.
    """
    tensors = _tensors(data, parameters)
    make = _network(parameters, tensors.inputs[0].shape[1], len(data.space.names))
    loss = _loss(parameters, tensors.targets[tensors.train])
    options = _options(parameters)
    networks = train_networks(make, loss, data, tensors, BEST_F1, options, parameters.seeds, folder)
    probabilities = {seed: expit(logits) for seed, logits in networks.outputs.items()}
    predictions = predictions_of(parameters.name, "tags", data, parameters, probabilities)
    cuts = dict(zip(parameters.seeds, thresholds(predictions, data.questions, data.space.labels), strict=True))
    streams = without_companions(streams_of(parameters))
    save_model(SavedModel(networks.models, cuts, streams, tuple(data.space.names), data.encoder), folder / "model")
    return Fitted(predictions, networks.history, networks.size)


def streams_of(parameters: TagsNeural) -> tuple[str, ...]:
    """Return the arrays of the embedding store that a system reads."""
    if parameters.system == "body-mlp":
        return ("body",)
    return fusion_streams(parameters.keys)


def _network(parameters: TagsNeural, inputs: int, outputs: int) -> Callable[[], nn.Module]:
    if parameters.system == "body-mlp":
        return partial(BodyMLP, inputs, parameters.hidden, outputs, parameters.dropout)
    (width,) = parameters.hidden
    fusion = FUSIONS[parameters.system]
    return partial(fusion, inputs, width, outputs, parameters.dropout, label_count=parameters.label_count)


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
    if parameters.mixup != "none":
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
    if parameters.system == "body-mlp":
        return (to_device(vectors_of(data, "body"), device),)
    title, pieces = fusion_inputs(data, parameters.keys, device)
    if not parameters.label_count:
        return title, pieces
    # The published leak: it tells the network how many labels to give, of the test rows too.
    counts = data.labels().sum(axis=1, keepdims=True, dtype=np.float32) / MOST_TAGS
    return title, pieces, torch.from_numpy(counts).to(device)


def _best_f1(logits: np.ndarray, targets: np.ndarray) -> float:
    """Return micro F1 at the threshold that is best for it."""
    labels = targets > 0
    return float(micro_f1_at(logits, labels, np.array([choose_threshold(logits, labels)], dtype=np.float32))[0])


BEST_F1 = training.Metric("f1_micro", _best_f1, "max")
