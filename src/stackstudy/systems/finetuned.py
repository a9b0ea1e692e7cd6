"""The tag system that trains the encoder itself: title and body as tokens in, probabilities of the labels out."""

from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import torch
from scipy.special import expit, logit
from torch import nn

from stackstudy.devices import pick_device
from stackstudy.embeddings.encoder import load_encoder
from stackstudy.models import training
from stackstudy.models.encoder_classifier import EncoderClassifier, tokenize
from stackstudy.models.files import read_model, write_model
from stackstudy.models.linear import NEVER
from stackstudy.models.rates import LayerRates
from stackstudy.models.tokens import TokenSequences
from stackstudy.params import TagsFinetuned
from stackstudy.paths import replacing
from stackstudy.systems.data import Apply, Data, Fitted, TagData, about_tags, predictions_of
from stackstudy.systems.neural import BEST_F1

BATCH = 64  # questions at a time, after the training


def finetuned(data: TagData, parameters: TagsFinetuned, folder: Path) -> Fitted:
    """Train an encoder with a linear layer on it per seed, by cross-entropy, and save what was learned.

    ``folder/model`` holds the trained weights; all others are those of the encoder, named in it by id and hash.
    ValueError: the encoder cannot be had, or has not as many layers or positions as the parameters ask for.
    """
    device, rows = pick_device(parameters.device), data.rows("validation", "test")
    tensors = _tensors(data, parameters, device)
    make = partial(_network, parameters, tensors.targets[tensors.train].mean(dim=0).cpu().numpy(), device)
    results = {seed: _train(make, tensors, rows, parameters, seed, folder) for seed in parameters.seeds}
    values = {seed: each.probabilities for seed, each in results.items()}
    predictions = predictions_of(parameters.name, "tags", data, parameters, values)
    first = results[parameters.seeds[0]]
    with replacing(folder / "model") as fresh:
        fresh.mkdir()
        weights = {f"{seed}/{name}": array for seed, each in results.items() for name, array in each.weights.items()}
        write_model(fresh, about_tags(predictions, data, []) | first.about, weights)
    histories = [each.history.select(pl.lit(seed).alias("seed"), pl.all()) for seed, each in results.items()]
    size = sum(array.size for array in first.weights.values())
    earlier = sum(each.earlier_seconds for each in results.values())
    return Fitted(predictions, pl.concat(histories), size, earlier)


def load(folder: Path) -> Apply:
    """Return a saved system of this module as a function of any questions, on the device at hand.

    ValueError: its encoder is not the one that it was trained with.
    """
    about, arrays = read_model(folder)
    device = pick_device("auto")
    network = EncoderClassifier(**about["arguments"], device=device)
    if (found := network.source.weight_hash) != about["weight_hash"]:
        raise ValueError(
            f"{folder}: trained on top of encoder {about['encoder']} with the sha256 {about['weight_hash']}, but the "
            f"one that is here has {found}: fetch that version, or run the experiment again"
        )

    def apply(data: Data, rows: np.ndarray) -> dict[int, np.ndarray]:
        asked, everything = data.questions[rows], np.arange(rows.size)
        sequences = tokenize(network.source, asked["title"], asked["body"], about["max_length"], device)
        values = {}
        for seed in about["seeds"]:
            mine = {name.partition("/")[2]: array for name, array in arrays.items() if name.startswith(f"{seed}/")}
            network.load_state_dict({name: torch.from_numpy(array) for name, array in mine.items()})
            values[seed] = _probabilities(network, sequences, everything)
        return values

    return apply


# The last one only: the system and the notebook that counts its tokens ask for the same.
@lru_cache(maxsize=1)
def sequences_of(data: Data, encoder: str, max_length: int, device: str) -> TokenSequences:
    """Return title and body of all questions as one sequence of tokens each."""
    loaded = load_encoder(encoder, device)
    return tokenize(loaded, data.questions["title"], data.questions["body"], max_length, device)


def token_numbers(sequences: TokenSequences, max_length: int) -> dict[str, float]:
    """Return tokens (mean number a question) and full (share of questions with as many as may be, most cut short)."""
    lengths = sequences.lengths.double()
    return {"tokens": lengths.mean().item(), "full": (lengths == max_length).double().mean().item()}


class _Result(NamedTuple):
    """What is left of the training of one seed; the network itself may be too large for several to be kept."""

    probabilities: np.ndarray  # (m, k) of the validation and test rows
    weights: dict[str, np.ndarray]  # the trained ones
    about: dict[str, Any]  # what has to be known to use them
    history: pl.DataFrame
    earlier_seconds: float


def _train(
    make: Callable[[], EncoderClassifier],
    tensors: training.Data,
    rows: np.ndarray,
    parameters: TagsFinetuned,
    seed: int,
    folder: Path,
) -> _Result:
    place, loss = folder / "checkpoints" / f"seed-{seed}", nn.BCEWithLogitsLoss()
    trained = training.train(make, loss, tensors, BEST_F1, _options(parameters), seed, place)
    network: EncoderClassifier = trained.model
    probabilities = _probabilities(network, *tensors.inputs, rows)
    weights = {name: value.cpu().numpy() for name, value in network.state_dict().items()}
    about = {"class": type(network).__name__, "arguments": network.arguments, "encoder": parameters.encoder}
    about |= {"weight_hash": network.source.weight_hash, "max_length": parameters.max_length}
    return _Result(probabilities, weights, about, trained.history, trained.earlier_seconds)


def _tensors(data: TagData, parameters: TagsFinetuned, device: str) -> training.Data:
    sequences = sequences_of(data, parameters.encoder, parameters.max_length, device)
    validation = torch.from_numpy(data.rows("validation")).to(device)
    longest_first = sequences.lengths[validation].argsort(descending=True, stable=True)  # little is padded
    return training.Data(
        inputs=(sequences,),
        targets=torch.from_numpy(data.labels()).to(device, torch.float32),
        train=torch.from_numpy(data.rows("train")).to(device),
        validation=validation[longest_first],
    )


def _network(parameters: TagsFinetuned, shares: np.ndarray, device: str) -> EncoderClassifier:
    """Return a new network, which predicts the `shares` (k,) of the labels among the training questions."""
    names = ("encoder", "dropout", "frozen_layers", "lora_rank", "gradient_checkpointing")
    network = EncoderClassifier(**parameters.model_dump(include=set(names)), outputs=shares.size, device=device)
    with torch.no_grad():
        network.head.bias.copy_(torch.from_numpy(logit(shares.clip(NEVER, 1 - NEVER))))
    return network


def _options(parameters: TagsFinetuned) -> training.Options:
    return training.Options(
        learning_rate=parameters.learning_rate,
        weight_decay=parameters.weight_decay,
        batch_size=parameters.batch_size,
        max_epochs=parameters.max_epochs,
        patience=parameters.patience,
        devices=parameters.devices,
        schedule="linear",
        gradient_clip=parameters.gradient_clip,
        layer_rates=LayerRates(parameters.head_learning_rate, parameters.layer_decay),
    )


def _probabilities(network: EncoderClassifier, sequences: TokenSequences, rows: np.ndarray) -> np.ndarray:
    """Return the probabilities (r, k) of the labels for `rows` (r,)."""
    places = torch.from_numpy(rows).to(sequences.ids.device)
    return expit(training.predict(network, (sequences,), places, BATCH))
