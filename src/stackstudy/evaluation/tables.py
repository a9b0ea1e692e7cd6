"""The tables of the two comparisons: predictions in, one row per system, pair, stratum or bin out.

Everything is computed on the test rows. Seeds are averaged; ``<metric>_std`` is their standard deviation,
``<metric>_low`` and ``<metric>_high`` bound the 95 % bootstrap interval over questions. Undefined values are null.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse

from stackstudy.evaluation import tags
from stackstudy.evaluation.bootstrap import Evaluation, RowSums, holm, interval, p_value
from stackstudy.evaluation.predictions import Predictions, check_comparable, rows_of
from stackstudy.evaluation.thresholds import rows_to_choose_on, thresholds
from stackstudy.evaluation.verdicts import LOWER_IS_BETTER, verdict

PER_LABEL = "-per-label"  # ends the name of a system that is another one with a threshold for each label
PUBLISHED = "-published"  # ends the name of a system under the study's own protocol; without it, the corrected one
PAIR = {"metric": pl.String, "first": pl.String, "second": pl.String}
PAIR |= dict.fromkeys(("difference", "low", "high", "p", "p_holm"), pl.Float64) | {"verdict": pl.String}

Systems = dict[str, list[RowSums]]  # system -> one entry per seed, on some rows


def tag_systems(
    predictions: Sequence[Predictions], questions: pl.DataFrame, labels: sparse.csr_array, split: str = "test"
) -> Systems:
    """Return what the metrics of each tag system need; `labels` is the bool CSR (all rows, k) of the tag space.

    Validation rows may only serve to choose: the thresholds were chosen on them.
    ValueError, naming the system: predictions of another kind, question table or label space.
    """
    check_comparable(predictions, "tags", questions)
    if wrong := [each.system for each in predictions if each.values.shape[2] != labels.shape[1]]:
        raise ValueError(f"predictions of {wrong[0]} are for another label space; it has {labels.shape[1]} labels here")
    rows = rows_of(questions, split)
    truth = labels[rows].toarray()
    systems: Systems = {}
    for each in predictions:
        cuts = thresholds(each, questions, labels)
        systems[each.system] = [tags.row_sums(v, truth, cut) for v, cut in zip(each.at(rows), cuts, strict=True)]
    return systems


def summary(evaluation: Evaluation) -> pl.DataFrame:
    """Return one row per system: for each metric its mean over seeds, ``_std``, ``_low`` and ``_high``."""
    return _frame([{"system": system} | _cells(evaluation, system) for system in evaluation.values])


def points(systems: Systems) -> pl.DataFrame:
    """Return one row per system: each metric, mean over seeds, without intervals."""
    seeds = {name: [each.point() for each in of_seeds] for name, of_seeds in systems.items()}
    return _frame(
        [{"system": name} | {metric: _mean(each, metric) for metric in each[0]} for name, each in seeds.items()]
    )


def comparisons(
    evaluation: Evaluation, metrics: Sequence[str], pairs: Sequence[tuple[str, str]] | None = None
) -> pl.DataFrame:
    """Return one row per metric and pair of systems: difference (first - second), its 95 % interval, p, verdict.

    Without `pairs`, each system is compared with each. ``p_holm`` is corrected over the pairs of a metric and decides
    the verdict on the first system: better, worse or not distinguishable. The interval is not corrected. A single
    system makes no pairs, and an empty table.
    """
    frames, compared = [], list(combinations(evaluation.values, 2)) if pairs is None else pairs
    for metric in metrics:
        rows = [_pair(evaluation, *pair, metric) for pair in compared]
        corrected = holm([row["p"] for row in rows])
        frames += [row | {"p_holm": p, "verdict": _verdict(row, p)} for row, p in zip(rows, corrected, strict=True)]
    return _frame(frames, PAIR)


def with_intervals(summary: pl.DataFrame, metrics: Sequence[str]) -> pl.DataFrame:
    """Return system and, for each of `metrics`, value, ``_low``, ``_high`` and ``_std`` of a `summary`."""
    ends = ("", "_low", "_high", "_std")
    return summary.select("system", *(f"{metric}{end}" for metric in metrics for end in ends))


def best(predictions: Sequence[Predictions], summary: pl.DataFrame, metric: str) -> Predictions:
    """Return the predictions of the system with the best `metric` in a `summary`; the first of equals.

    ValueError: the metric is undefined for every system.
    """
    defined = summary.drop_nulls(metric).sort(metric, descending=metric not in LOWER_IS_BETTER, maintain_order=True)
    if defined.is_empty():
        raise ValueError(f"no best system: {metric} is undefined for all of them")
    return next(each for each in predictions if each.system == defined["system"][0])


def threshold_curve(predictions: Predictions, questions: pl.DataFrame, labels: sparse.csr_array) -> dict[str, Any]:
    """Return micro F1 by threshold on the rows on which it is chosen, and the choice; means over seeds."""
    rows, cuts = rows_to_choose_on(predictions, questions), np.linspace(0, 1, 101)
    truth = labels[rows].toarray()
    f1 = np.mean([tags.micro_f1_at(values, truth, cuts) for values in predictions.at(rows)], axis=0)
    return {"thresholds": cuts, "f1_micro": f1, "chosen": float(np.mean(thresholds(predictions, questions, labels)))}


def reliability(predictions: Predictions, questions: pl.DataFrame, labels: sparse.csr_array) -> pl.DataFrame:
    """Return the bins of `tags.reliability` over the decisions of all seeds."""
    test = rows_of(questions, "test")
    truth = labels[test].toarray()
    return tags.reliability(np.vstack(predictions.at(test)), np.vstack([truth] * predictions.seeds.size))


def training_numbers(history: pl.DataFrame) -> dict[str, float]:
    """Return epochs run, best epoch and best validation metric, means over seeds, from the history of a network."""
    metric = next(name for name in history.columns if name.startswith("validation_") and name != "validation_loss")
    lower = metric.removeprefix("validation_") in LOWER_IS_BETTER
    runs = history.sort("seed", "epoch").partition_by("seed", maintain_order=True)
    rows = [run.row(run[metric].arg_min() if lower else run[metric].arg_max(), named=True) for run in runs]
    epochs = float(np.mean([len(run) for run in runs]))
    return {"epochs": epochs, "best_epoch": _mean(rows, "epoch"), metric: _mean(rows, metric)}


def numbers(summary: pl.DataFrame) -> dict[str, dict[str, float]]:
    """Return a `summary` as metrics of a run: system (with underscores) -> defined metric -> value."""
    return {_key(row.pop("system")): _defined(row) for row in summary.to_dicts()}


def pair_numbers(comparisons: pl.DataFrame) -> dict[str, dict[str, dict[str, float]]]:
    """Return `comparisons` as metrics of a run: first_vs_second -> metric -> difference, low, high, p (Holm's)."""
    pairs: dict[str, dict[str, dict[str, float]]] = {}
    for row in comparisons.drop_nulls("p_holm").to_dicts():
        test = {"difference": row["difference"], "low": row["low"], "high": row["high"], "p": row["p_holm"]}
        pairs.setdefault(_key(f"{row['first']}_vs_{row['second']}"), {})[row["metric"]] = test
    return pairs


def _cells(evaluation: Evaluation, system: str) -> dict[str, float]:
    cells = {}
    for metric, seeds in evaluation.values[system].items():
        cells[metric], cells[f"{metric}_std"] = seeds.mean(), seeds.std(ddof=1) if seeds.size > 1 else np.nan
        if metric in evaluation.resampled[system]:
            cells[f"{metric}_low"], cells[f"{metric}_high"] = interval(evaluation.resampled[system][metric])
    return {name: float(cell) for name, cell in cells.items()}


def _pair(evaluation: Evaluation, first: str, second: str, metric: str) -> dict[str, Any]:
    """ValueError: `metric` is not one of the metrics."""
    if metric not in evaluation.resampled[first]:
        raise ValueError(f"no metric {metric}; there are {', '.join(evaluation.resampled[first])}")
    point = evaluation.values[first][metric].mean() - evaluation.values[second][metric].mean()
    differences = evaluation.resampled[first][metric] - evaluation.resampled[second][metric]
    low, high = interval(differences)
    about = {"metric": metric, "first": first, "second": second}
    return about | {"difference": float(point), "low": low, "high": high, "p": p_value(differences)}


def _verdict(row: dict[str, Any], p: float) -> str:
    return "undefined" if np.isnan(p) else verdict(row["metric"], row["difference"], p)


def _frame(rows: list[dict[str, Any]], schema: dict[str, Any] | None = None) -> pl.DataFrame:
    return pl.DataFrame(rows, schema).with_columns(pl.selectors.float().fill_nan(None))


def _key(name: str) -> str:
    return name.replace("-", "_")


def _defined(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def _mean(rows: list[dict[str, Any]], name: str) -> float:
    return float(np.mean([row[name] for row in rows]))
