"""What tag systems a profile has: family, protocol, cost, and where their parameters are; read from run folders."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from stackstudy.evaluation.predictions import Predictions
from stackstudy.evaluation.tables import PUBLISHED

FAMILIES = {  # by the experiment's name
    "baseline": "11-*",
    "trees": "12-*",
    "network": "13-*",
    "seq2seq": "14-*",
    "kernels": "15-*",
    "combined": "16-*",
    "finetuned": "18-*",
}
COURSE = ("seed", "epoch", "train_loss", "validation_loss", "validation_f1_micro")

SCHEMA = {
    "system": pl.String,
    "family": pl.String,
    "architecture": pl.String,
    "protocol": pl.String,
    "experiment": pl.String,
    "parameters": pl.String,
    "learned": pl.Int64,
    "epochs": pl.Int64,
    "seconds": pl.Float64,
    "peak_memory_mb": pl.Float64,
}


def catalogue(predictions: Iterable[Predictions], folders: Mapping[str, Sequence[Path]]) -> pl.DataFrame:
    """Return one row per system, in the order of `predictions`, from the run folders of each family.

    ``architecture`` is what several systems may share, else the system itself; ``parameters`` the place of the exact
    ones among the results; ``learned`` how many numbers one seed has learned; ``epochs`` a rounded mean over seeds,
    null for what has none; ``seconds`` those of the whole fit, all seeds. FileNotFoundError, ValueError: what a system
    cost is not known.
    """
    family = {folder.name: (name, folder) for name, group in folders.items() for folder in group}
    return pl.DataFrame([_entry(each, *family[each.parameters["experiment"]]) for each in predictions], SCHEMA)


def histories(predictions: Iterable[Predictions], folders: Sequence[Path]) -> pl.DataFrame:
    """Return the courses of all networks trained in epochs: system, architecture, and the columns `COURSE`."""
    parts = courses(predictions, folders, COURSE)
    if not parts:
        raise ValueError("no network among the systems: their courses cannot be shown")
    return pl.concat(parts)


def courses(predictions: Iterable[Predictions], folders: Sequence[Path], columns: Sequence[str]) -> list[pl.DataFrame]:
    """Return the course of each system that one of the run `folders` made: system, architecture, and `columns`."""
    experiment = {folder.name: folder for folder in folders}
    return [
        pl.read_csv(experiment[name] / "history.csv").select(
            pl.lit(each.system).alias("system"), pl.lit(_architecture(each)).alias("architecture"), *columns
        )
        for each in predictions
        if (name := each.parameters["experiment"]) in experiment
    ]


def corrected(predictions: Iterable[Predictions], architecture: str) -> list[Predictions]:
    """Return the systems of an architecture under the corrected protocol."""
    return [each for each in predictions if (_architecture(each), _protocol(each)) == (architecture, "corrected")]


def _entry(predictions: Predictions, family: str, folder: Path) -> dict[str, Any]:
    parameters = predictions.parameters
    cost = _cost(predictions.system, folder)
    return {
        "system": predictions.system,
        "family": family,
        "architecture": _architecture(predictions),
        "protocol": _protocol(predictions),
        "experiment": folder.name,
        "parameters": f"results/{parameters['profile']}/parameters/{folder.name}.yaml",
        "learned": cost["size"],
        "epochs": _epochs(folder),
        "seconds": cost["seconds"],
        "peak_memory_mb": cost["peak_memory_mb"],
    }


def _protocol(predictions: Predictions) -> str:
    return predictions.parameters.get("protocol", "corrected")


def _architecture(predictions: Predictions) -> str:
    return predictions.parameters.get("system") or predictions.system.removesuffix(PUBLISHED)


def _cost(system: str, folder: Path) -> dict[str, float]:
    path = folder / "cost.json"
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing, which says what {system} cost: run {folder.name} again")
    costs = json.loads(path.read_text(encoding="utf-8"))
    if system not in costs:
        raise ValueError(f"{path} says nothing of {system}, only of {', '.join(costs)}: run {folder.name} again")
    return costs[system]


def _epochs(folder: Path) -> int | None:
    """Return the number of epochs, rounded mean over seeds; None without a history of epochs."""
    path = folder / "history.csv"
    history = pl.read_csv(path) if path.exists() else pl.DataFrame()
    if not {"seed", "epoch"} <= set(history.columns):
        return None
    return round(history.group_by("seed").agg(pl.col("epoch").max())["epoch"].mean())
