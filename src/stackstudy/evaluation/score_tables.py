"""Score predictions in, tables out: all systems on the test rows, within each sample, and without the tail."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from stackstudy.evaluation import scores
from stackstudy.evaluation.bootstrap import Evaluation
from stackstudy.evaluation.predictions import Predictions, check_comparable, rows_of
from stackstudy.evaluation.strata import strata_of, summary_of_parts
from stackstudy.evaluation.tables import Systems, comparisons, with_intervals

WITHIN = ("r2_within", "r2_log_within", "spearman_within")  # where the questions come from several strata
METRICS = ("rmse", "mae", "r2", "r2_log", "spearman", *WITHIN)  # that are tested
RAW = ("rmse", "r2", "r2_within")  # on the raw scale; the others ask for what systems on the log scale learn
LOGGED = {  # what only the log scale is fair to
    "mean-log",
    "controls-log",
    "xgboost-controls-log",
    "two-stage-controls-log",
    "stacked-controls-log",
}
FLOORS = ("mean", "mean-log")  # of the raw scale and of the log scale
AGED = ("boosting",)  # text features together with hour and age


def role(system: str) -> str:
    """Return what a system reads: nothing (floor), controls (age and sample), both (these and text), or text."""
    if system in FLOORS:
        return "floor"
    if system.split("-")[0] == "controls":
        return "controls"
    return "both" if "controls" in system.split("-") or system in AGED else "text"


def made_for(predictions: Sequence[Predictions], strata: Sequence[str] | None) -> list[Predictions]:
    """Return those that were trained on these strata, all questions where it is None. ValueError: there are none."""
    wanted = None if strata is None else list(strata)
    found = [each for each in predictions if each.parameters.get("strata") == wanted]
    if not found:
        raise ValueError(f"no score system was trained on {'all questions' if wanted is None else ', '.join(wanted)}")
    return found


def score_systems(predictions: Sequence[Predictions], questions: pl.DataFrame, split: str = "test") -> Systems:
    """Return what the metrics of each score system need on the rows of a split.

    Where questions come from several strata, ``*_within`` metrics are among them. ValueError, naming the system:
    predictions of another kind or question table, or two of one name.
    """
    check_comparable(predictions, "scores", questions)
    rows = rows_of(questions, split)
    strata = strata_of(questions, rows)
    codes = None if strata is None else strata.rank("dense").to_numpy()
    actual = questions["score"].to_numpy()[rows]
    return {each.system: [scores.row_sums(actual, seed, codes) for seed in each.at(rows)] for each in predictions}


def ordered(summary: pl.DataFrame) -> pl.DataFrame:
    """Return a `summary` with text systems first, then those with controls, then the floor; the best of each on top.

    The best by rank correlation, within strata where there are some.
    """
    order = {"text": 0, "both": 1, "controls": 1, "floor": 2}
    groups = pl.Series("group", [order[role(name)] for name in summary["system"]])
    by = ["group", "spearman_within" if "spearman_within" in summary.columns else "spearman", "system"]
    return summary.with_columns(groups).sort(by, descending=[False, True, False], nulls_last=True).drop("group")


def summary_table(summary: pl.DataFrame, catalogue: pl.DataFrame) -> pl.DataFrame:
    """Return a `summary` as it is read: system, metrics with interval and spread over seeds, what it was made with."""
    metrics = [name for name in (*METRICS, "r2_without_top10") if name in summary.columns]
    made = catalogue.select("system", "family", "parameters")
    return with_intervals(summary, metrics).join(made, on="system", how="left", maintain_order="left")


def seed_table(summary: pl.DataFrame, predictions: Sequence[Predictions], catalogue: pl.DataFrame) -> pl.DataFrame:
    """Return how far seeds scatter (standard deviations), in the order of `summary`, and the run behind each system."""
    seeds = pl.DataFrame({"system": [p.system for p in predictions], "seeds": [p.seeds.size for p in predictions]})
    made = catalogue.select("system", "experiment", "learned")
    spread = summary.select("system", "rmse_std", "r2_log_std", "spearman_std")
    keep = {"on": "system", "how": "left", "maintain_order": "left"}
    return spread.select("system").join(made, **keep).join(seeds, **keep).join(spread, **keep)


def tests(evaluation: Evaluation, pairs: Sequence[tuple[str, str]]) -> pl.DataFrame:
    """Return the `comparisons` of these pairs by each of `METRICS` that is there.

    Floors and controls are compared on the scale that they learned alone: elsewhere they would be straw men.
    """
    there = next(iter(evaluation.values.values()))
    frames = []
    for metric in (name for name in METRICS if name in there):
        strangers = LOGGED if metric in RAW else {name.removesuffix("-log") for name in LOGGED}
        frames.append(comparisons(evaluation, [metric], [pair for pair in pairs if not strangers & set(pair)]))
    return pl.concat(frames)


def by_stratum(
    predictions: Sequence[Predictions], questions: pl.DataFrame, resamples: int, seed: int
) -> pl.DataFrame | None:
    """Return the `summary` of each stratum of the test rows, with its number of questions; None without strata.

    Everything is computed anew inside each stratum, ranks included.
    """
    test = rows_of(questions, "test")
    strata = strata_of(questions, test)
    if strata is None:
        return None
    actual = questions["score"].to_numpy()

    def inside(places: np.ndarray) -> Systems:
        rows = test[places]
        return {each.system: [scores.row_sums(actual[rows], s) for s in each.at(rows)] for each in predictions}

    return summary_of_parts(strata, inside, resamples, seed)


def r2_without_top(predictions: Sequence[Predictions], questions: pl.DataFrame) -> dict[str, Any]:
    """Return R2 (mean over seeds) without the 0 to 10 highest-scored test questions: dropped (11,), r2 by system."""
    test = rows_of(questions, "test")
    actual = questions["score"].to_numpy()[test]
    curves = {
        each.system: np.mean([scores.r2_without_top(actual, values) for values in each.at(test)], axis=0)
        for each in predictions
    }
    return {"dropped": np.arange(scores.TOP + 1), "r2": curves}


def tail_shares(predictions: Predictions, questions: pl.DataFrame) -> dict[str, float]:
    """Return what the ten highest test scores make of the squared error (mean over seeds) and of the variance."""
    test = rows_of(questions, "test")
    actual = questions["score"].to_numpy()[test].astype(np.float64)
    top = np.argsort(-actual, kind="stable")[: scores.TOP]
    parts = {"error": (predictions.at(test) - actual) ** 2, "variance": (actual - actual.mean())[None] ** 2}
    sums = {name: (squares[:, top].sum(axis=1), squares.sum(axis=1)) for name, squares in parts.items()}
    return {f"{name}_share": float(np.mean(some / all_)) for name, (some, all_) in sums.items() if all_.all()}
