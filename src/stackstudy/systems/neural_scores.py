"""Score systems that are networks over embedding streams: which network, target and inputs the parameters ask for.

The networks are those for tags, with one output. A target is standardised on the training rows while a network learns
it, losses are in these units, and predictions and the validation RMSE are votes. The epoch is that of the lowest
validation loss, which for squared error on raw scores is the lowest RMSE.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from stackstudy.devices import pick_device
from stackstudy.models import training
from stackstudy.models.batches import Input, to_device
from stackstudy.models.course import Metric
from stackstudy.models.dsf import DSFMHSA, DSFCrossAttention
from stackstudy.models.mlp import BodyMLP
from stackstudy.models.saving import SavedModel, load_model, save_model
from stackstudy.models.targets import ScoreTarget
from stackstudy.params import ScoresNeural
from stackstudy.systems.data import Apply, Data, Fitted, predictions_of
from stackstudy.systems.networks import (
    MOST_TAGS,
    fusion_streams,
    inputs_of,
    options_of,
    outputs_of,
    train_networks,
    without_companions,
)

SINGLE = {"title-mlp": "title", "body-mlp": "body"}  # networks that read one vector, and which
FUSIONS = {"dsf-mhsa": DSFMHSA, "dsf-crossattn": DSFCrossAttention}


def neural_scores(data: Data, parameters: ScoresNeural, folder: Path) -> Fitted:
    """Train a network per seed on embedding streams, and save them with their target as ``folder/model``.

    A target that is constant on the training rows is predicted as it is. ValueError: a stream is missing, of another
    shape or has missing values; a score is no number; there is only one training row.
    """
    target = _target(data, parameters)
    tensors = _tensors(data, target, parameters)
    make = _network(parameters, tensors.inputs[0].shape[1])
    metric = Metric("rmse", target.rmse, mode=None)  # in votes whatever the target is; it decides nothing
    loss, options = _loss(parameters), options_of(parameters)
    networks = train_networks(make, loss, data, tensors, metric, options, parameters.seeds, folder)
    streams = without_companions(streams_of(parameters))
    save_model(SavedModel(networks.models, {}, streams, ("score",), data.encoder, asdict(target)), folder / "model")
    predictions = predictions_of(parameters.name, "scores", data, parameters, _scores(networks.outputs, target))
    return Fitted(predictions, networks.history, networks.size, networks.earlier_seconds)


def load(folder: Path) -> Apply:
    """Return a saved system of this module as a function of any questions, on the device at hand."""
    saved = load_model(folder)

    def apply(data: Data, rows: np.ndarray) -> dict[int, np.ndarray]:
        outputs = outputs_of(saved.models, _inputs(data, saved.streams, pick_device("auto")), rows)
        return _scores(outputs, ScoreTarget(**saved.target))

    return apply


def streams_of(parameters: ScoresNeural) -> tuple[str, ...]:
    """Return the arrays of the embedding store that a system reads."""
    if parameters.system in SINGLE:
        return (SINGLE[parameters.system],)
    return fusion_streams(parameters.keys)


def _target(data: Data, parameters: ScoresNeural) -> ScoreTarget:
    train = data.scores()[data.rows("train")]
    if train.size < 2:
        raise ValueError("the question table has one train row: take more questions")
    return ScoreTarget.of(train, log=parameters.target != "raw")


def _network(parameters: ScoresNeural, inputs: int) -> Callable[[], nn.Module]:
    if parameters.system in SINGLE:
        return partial(BodyMLP, inputs, parameters.hidden, 1, parameters.dropout, activation="gelu")
    (width,) = parameters.hidden
    # The input that tag networks have for the number of labels takes the number of tags, which the asker supplies.
    return partial(FUSIONS[parameters.system], inputs, width, 1, parameters.dropout, label_count=True)


def _loss(parameters: ScoresNeural) -> nn.Module:
    """Return the loss; the absolute error is twice the pinball loss of the median.

    A median stays one on any rising scale, so it is learned on the signed log, which spares the network the tail.
    """
    return nn.L1Loss() if parameters.target == "median" else nn.MSELoss()


def _tensors(data: Data, target: ScoreTarget, parameters: ScoresNeural) -> training.Data:
    device = pick_device(parameters.device)
    return training.Data(
        inputs=_inputs(data, without_companions(streams_of(parameters)), device),
        targets=torch.from_numpy(target.learned(data.scores()))[:, None].to(device),
        train=torch.from_numpy(data.rows("train")).to(device),
        validation=torch.from_numpy(data.rows("validation")).to(device),
    )


def _inputs(data: Data, streams: Sequence[str], device: str) -> tuple[Input, ...]:
    """Return what `inputs_of` does; a fusion of title and body also takes the number of tags."""
    inputs = inputs_of(data, streams, device)
    return inputs if len(streams) == 1 else (*inputs, _tag_counts(data, device))


def _scores(outputs: Mapping[int, np.ndarray], target: ScoreTarget) -> dict[int, np.ndarray]:
    """Return scores (m,) by seed from the outputs (m, 1)."""
    return {seed: target.scores(values[:, 0]) for seed, values in outputs.items()}


def _tag_counts(data: Data, device: str) -> Tensor:
    """Return the number of tags of each question, from 0 to 1: (n, 1)."""
    counts = data.questions["tags"].list.len().clip(upper_bound=MOST_TAGS).to_numpy()
    return to_device(counts[:, None] / MOST_TAGS, device)
