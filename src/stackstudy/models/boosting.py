"""Gradient-boosted trees, one booster per seed: training, their files (XGBoost's UBJSON, no pickle), named features."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import polars as pl
import xgboost as xgb

from stackstudy.models.boosting_on_ray import Losses, Part, boost_on_ray
from stackstudy.models.files import read_model, write_model
from stackstudy.paths import replacing
from stackstudy.runs import progress

XGBOOST_BINS = 256  # its own default


@dataclass(frozen=True, eq=False)
class Trees:
    """Boosters that read the same features."""

    features: tuple[str, ...]  # columns, in the order in which the boosters know them
    boosters: dict[int, xgb.Booster]  # by seed

    def predict(self, features: pl.DataFrame) -> dict[int, np.ndarray]:
        """Return float32 (n,) or (n, outputs) by seed for a table with the columns `features`; null is unknown."""
        rows = xgb.DMatrix(matrix_of(features.select(self.features)))
        return {seed: booster.predict(rows) for seed, booster in self.boosters.items()}

    def nodes(self) -> int:
        """Return the nodes (splits and leaves) of the first booster."""
        return nodes_of(self.boosters)

    def save(self, folder: Path, about: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Write `folder` anew: ``model.json`` (with `about`), ``model.safetensors`` and ``seed-<s>.ubj``."""
        save_boosters(folder, self.boosters, {"features": self.features, **about}, arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote. FileNotFoundError: there is no model."""
        boosters, about, _ = load_boosters(folder)
        return cls(tuple(about["features"]), boosters)


class Rows(NamedTuple):
    """Some questions as a booster sees them."""

    features: np.ndarray  # float32 (r, f), NaN where unknown
    targets: np.ndarray  # (r,) or (r, outputs)
    weights: np.ndarray | None = None  # (r,)


def boost(
    train: Rows,
    validation: Rows,
    options: Mapping[str, Any],
    rounds: int,
    patience: int | None,
    seed: int,
    stage: str,
    workers: int = 1,
) -> tuple[xgb.Booster, pl.DataFrame]:
    """Return a booster, and its losses by seed and round. `options` are XGBoost's.

    Boosting ends after `patience` rounds without a better validation loss, `rounds` at most, and the booster is cut
    after its best round; without patience it has all rounds. More than one of `workers` share the rows (see
    `boost_on_ray`).
    """
    grow = partial(_grow, dict(options) | {"tree_method": "hist", "seed": seed}, rounds, patience, stage)
    booster, losses = boost_on_ray(grow, train, validation, workers) if workers > 1 else grow(train, validation)
    columns = {f"{split}_loss": next(iter(values.values())) for split, values in losses.items()}
    count = len(columns["train_loss"])
    return booster, pl.DataFrame({"seed": np.full(count, seed), "round": np.arange(1, count + 1), **columns})


def _grow(
    options: dict[str, Any], rounds: int, patience: int | None, stage: str, train: Part, validation: Part
) -> tuple[xgb.Booster, Losses]:
    """Boost on rows that are here, which may be a part of all."""
    bins = {"max_bin": options.get("max_bin", XGBOOST_BINS)}
    (features, targets, weights), (features_to_choose, targets_to_choose, _) = train, validation
    fit = xgb.QuantileDMatrix(features, targets, weight=weights, **bins)
    choose = xgb.QuantileDMatrix(features_to_choose, targets_to_choose, ref=fit, **bins)
    callbacks: list[xgb.callback.TrainingCallback] = [_Progress(stage, rounds)]
    if patience:
        callbacks.append(xgb.callback.EarlyStopping(rounds=patience, save_best=True))
    losses: Losses = {}
    booster = xgb.train(
        options,
        fit,
        num_boost_round=rounds,
        evals=[(fit, "train"), (choose, "validation")],
        evals_result=losses,
        callbacks=callbacks,
        verbose_eval=False,
    )
    return booster, losses


def nodes_of(boosters: Mapping[int, xgb.Booster]) -> int:
    """Return the nodes (splits and leaves) of the first booster."""
    return sum(tree.count("\n") for tree in next(iter(boosters.values())).get_dump())


def save_boosters(
    folder: Path, boosters: Mapping[int, xgb.Booster], about: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> None:
    """Write `folder` anew: a model with `about` and `arrays` (see `write_model`), and ``seed-<s>.ubj``."""
    with replacing(folder) as fresh:
        fresh.mkdir()
        write_model(fresh, {**about, "seeds": list(boosters)}, arrays)
        for seed, booster in boosters.items():
            booster.save_model(fresh / f"seed-{seed}.ubj")


def load_boosters(folder: Path) -> tuple[dict[int, xgb.Booster], dict[str, Any], dict[str, np.ndarray]]:
    """Return boosters by seed, `about` and arrays, as `save_boosters` wrote them. FileNotFoundError: no model."""
    about, arrays = read_model(folder)
    boosters = {seed: xgb.Booster(model_file=Path(folder) / f"seed-{seed}.ubj") for seed in about["seeds"]}
    return boosters, about, arrays


def matrix_of(features: pl.DataFrame) -> np.ndarray:
    """Return a table of numbers as float32 (n, f), NaN for null."""
    return features.cast(pl.Float32).fill_null(float("nan")).to_numpy()


class _Progress(xgb.callback.TrainingCallback):
    """Reports each round."""

    def __init__(self, stage: str, rounds: int) -> None:
        self.stage, self.rounds, self.done = stage, rounds, 0

    def after_iteration(self, model: xgb.Booster, epoch: int, evals_log: dict[str, Any]) -> bool:
        self.done = epoch + 1
        (losses,) = evals_log["validation"].values()
        progress.report(self.stage, self.done, self.rounds, validation_loss=losses[-1])
        return False

    def after_training(self, model: xgb.Booster) -> xgb.Booster:
        progress.report(self.stage, self.done, self.done)
        return model
