"""The systems that a finished run has saved, ready for any questions, whatever family they are of."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from stackstudy.evaluation.tags import Threshold
from stackstudy.models.saving import CLASSES
from stackstudy.runs.yaml_files import read_yaml
from stackstudy.systems import (
    baselines,
    beyond_scores,
    combined,
    finetuned,
    kernels,
    linear_scores,
    neural,
    neural_scores,
    second_stage,
    seq2seq,
    stacked_scores,
    tree_scores,
    two_stage_scores,
    xgboost,
)
from stackstudy.systems.data import Apply, Data

# By the class that ``model.json`` names; networks have the same ones for tags and for scores.
TAGS: dict[str, Callable[[Path], Apply]] = {
    **dict.fromkeys(baselines.BASELINES, baselines.load),
    "TreeTagger": xgboost.load,
    **dict.fromkeys(CLASSES, neural.load),
    "Seq2seq": seq2seq.load,
    **dict.fromkeys(kernels.KERNELS, kernels.load),
    "SecondStage": second_stage.load,
    "Mixture": combined.load,
    "EncoderClassifier": finetuned.load,
}
SCORES: dict[str, Callable[[Path], Apply]] = {
    **dict.fromkeys(("Constant", "Linear"), linear_scores.load),
    **dict.fromkeys(CLASSES, neural_scores.load),
    "Regression": tree_scores.load,
    **dict.fromkeys(("Quantile", "TwoPart", "Ordinal"), beyond_scores.load),
    "TwoStage": two_stage_scores.load,
    "Stacked": stacked_scores.load,
}


@dataclass(frozen=True, eq=False)
class Saved:
    """One system as it was saved: what it is called, what it reads, and what it does."""

    name: str
    kind: Literal["tags", "scores"]
    streams: tuple[str, ...]  # of the embedding store, that it reads
    encoder: str  # model id that made them
    labels: tuple[str, ...]  # names of what tag systems predict
    thresholds: tuple[Any, ...]  # of tag systems, by seed: one for all labels, or a list with one for each
    apply: Apply

    @property
    def threshold(self) -> Threshold:
        """Return the mean of the thresholds; a label is predicted where its probability reaches it."""
        return np.mean(self.thresholds, axis=0)

    def values(self, data: Data) -> np.ndarray:
        """Return probabilities (n, k) or scores (n,) of all questions, float32: the mean of those of the seeds."""
        found = self.apply(data, np.arange(len(data.questions)))
        return np.mean([*found.values()], axis=0).astype(np.float32)


def saved_systems(run: Path) -> list[Saved]:
    """Return the systems of a run folder, by name, from ``model/`` or from each ``model/<system>/``.

    FileNotFoundError: the run is not finished, or saved none. ValueError: one was saved by another version, or cannot
    be used on new questions.
    """
    if not (run / "DONE").exists():
        raise FileNotFoundError(
            f"{run} is no finished run: it has no DONE; name a folder like runs/sample/13-tags-neural"
        )
    if (run / "model" / "model.json").exists():
        parameters = read_yaml(run / "params.yaml")
        return [load_system(run / "model", parameters["name"])]
    folders = sorted(path.parent for path in run.glob("model/*/model.json"))
    if not folders:
        raise FileNotFoundError(f"{run} has no saved system in model/: notebooks 11 to 18 and 21 to 24 save some")
    return [load_system(folder, folder.name) for folder in folders]


def load_system(folder: Path, name: str) -> Saved:
    """Return the system in a folder with a ``model.json``. ValueError: as for `saved_systems`."""
    about: Mapping[str, Any] = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    kind = "tags" if about.get("thresholds") else "scores"
    load = (TAGS if kind == "tags" else SCORES).get(about.get("class", ""))
    if load is None:
        raise ValueError(
            f"{folder}: {about.get('class', 'a model without a class')} is not known; run the experiment again"
        )
    labels = about["labels"] if kind == "tags" else ()
    header = tuple(about["streams"]), about["encoder"], tuple(labels), tuple(about.get("thresholds", ()))
    return Saved(name, kind, *header, load(folder))
