"""A trained network on disk: safetensors per seed, and a ``model.json`` that says how to use it on new questions."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import nn

from stackstudy.models.dsf import DSFMHSA, DSFCrossAttention
from stackstudy.models.label_attention import LabelAttention
from stackstudy.models.mlp import BodyMLP
from stackstudy.models.sequence import SequenceDSF
from stackstudy.paths import replacing

# Each keeps its constructor's arguments as `.arguments`.
CLASSES: dict[str, type[nn.Module]] = {
    each.__name__: each for each in (BodyMLP, DSFMHSA, DSFCrossAttention, SequenceDSF, LabelAttention)
}


@dataclass(frozen=True, eq=False)
class SavedModel:
    """The networks of one system, one per seed, and what they take and give."""

    models: dict[int, nn.Module]  # by seed, all of one class and size
    thresholds: dict[int, float]  # by seed; a label is predicted where its probability reaches it; none for scores
    streams: tuple[str, ...]  # embedding streams, in the order of the inputs
    labels: tuple[str, ...]  # names of the outputs
    encoder: str
    target: dict[str, Any] = field(default_factory=dict)  # of scores: the fields of their `ScoreTarget`


def save_model(saved: SavedModel, folder: Path) -> None:
    """Write `folder` anew: ``model.json`` and ``seed-<s>.safetensors``."""
    with replacing(folder) as fresh:
        fresh.mkdir()
        for seed, model in saved.models.items():
            weights = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
            save_file(weights, fresh / f"seed-{seed}.safetensors")
        (fresh / "model.json").write_text(json.dumps(_description(saved), indent=2) + "\n", encoding="utf-8")


def load_model(folder: Path) -> SavedModel:
    """Read what `save_model` wrote, on the CPU and ready to predict. FileNotFoundError: there is no model.

    ValueError: the model is of a class that this version does not know.
    """
    path = Path(folder) / "model.json"
    if not path.exists():
        raise FileNotFoundError(f"no model at {path}: run the experiment that trains it")
    about = json.loads(path.read_text(encoding="utf-8"))
    if about["class"] not in CLASSES:
        raise ValueError(f"{path}: unknown model class {about['class']!r}; known are {', '.join(CLASSES)}")
    models = {}
    for seed in about["seeds"]:
        models[seed] = CLASSES[about["class"]](**about["arguments"]).eval()
        models[seed].load_state_dict(load_file(path.parent / f"seed-{seed}.safetensors"))
    thresholds = dict(zip(about["seeds"], about["thresholds"], strict=False))
    streams, labels = tuple(about["streams"]), tuple(about["labels"])
    return SavedModel(models, thresholds, streams, labels, about["encoder"], about.get("target", {}))


def _description(saved: SavedModel) -> dict[str, object]:
    first = next(iter(saved.models.values()))
    return {
        "class": type(first).__name__,
        "arguments": first.arguments,
        "seeds": list(saved.models),
        "thresholds": [saved.thresholds[seed] for seed in saved.models if saved.thresholds],
        "streams": saved.streams,
        "labels": saved.labels,
        "encoder": saved.encoder,
        "target": saved.target,
    }
