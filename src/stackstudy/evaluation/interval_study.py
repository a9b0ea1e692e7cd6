"""Do prediction intervals hold as many scores as they promise, everywhere or only on average?"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from scipy.stats import binomtest

from stackstudy.evaluation.extras import load_extras
from stackstudy.evaluation.predictions import Predictions, rows_of
from stackstudy.evaluation.scores import pinball

WIDTHS = ("narrowest", "second", "third", "widest")  # quarters of the questions by the width of their intervals


@dataclass(frozen=True, eq=False)
class Intervals:
    """Three predicted quantiles of the scores of test questions, (s, n) each."""

    actual: np.ndarray  # (n,)
    low: np.ndarray
    median: np.ndarray
    high: np.ndarray
    quantiles: tuple[float, float, float]

    @property
    def level(self) -> float:
        """The share of scores that should lie between low and high."""
        return round(self.quantiles[2] - self.quantiles[0], 6)


def load_intervals(
    median: Predictions, folder: Path, questions: pl.DataFrame, quantiles: tuple[float, float, float]
) -> Intervals:
    """Return the intervals for the test questions: the median as predicted, the bounds from the run."""
    test = rows_of(questions, "test")
    bounds = load_extras(folder, median.system, test)
    actual = questions["score"].to_numpy()[test]
    return Intervals(actual, bounds["low"], median.at(test), bounds["high"], quantiles)


def quantile_table(intervals: Intervals, questions: pl.DataFrame) -> pl.DataFrame:
    """Return one row per predicted quantile: what it promises, what was observed, and its pinball loss.

    ``below`` and ``at_most`` are the shares of test scores below the prediction, and not above it: scores are whole
    numbers and often equal, so a right quantile has its level between the two. ``pinball_constant`` is the loss of the
    same quantile of the training scores, predicted for every question.
    """
    training = questions["score"].to_numpy()[rows_of(questions, "train")]
    rows = []
    for level, predicted in zip(intervals.quantiles, (intervals.low, intervals.median, intervals.high), strict=True):
        constant = np.quantile(training, level, method="inverted_cdf")
        shares = {"below": intervals.actual < predicted, "at_most": intervals.actual <= predicted}
        rows.append(
            {"quantile": level}
            | {name: float(held.mean()) for name, held in shares.items()}
            | {"pinball": float(np.mean([pinball(intervals.actual, seed, level) for seed in predicted]))}
            | {"pinball_constant": pinball(intervals.actual, constant, level)}
        )
    return pl.DataFrame(rows)


def coverage_table(intervals: Intervals, strata: pl.Series | None = None) -> pl.DataFrame:
    """Return the coverage of all test questions, of quarters by predicted width, and of each of their `strata` (n,).

    Columns: by (all, width, stratum), group, questions, coverage with its 95 % interval (Wilson 1927), below and above
    (the shares of scores outside on either side), width_median. Means over seeds.
    """
    width = (intervals.high - intervals.low).mean(axis=0)
    rank = np.argsort(np.argsort(width, kind="stable"), kind="stable")
    quarter = len(WIDTHS) * rank // width.size
    groups = [("all", "all", np.ones(width.size, bool))]
    groups += [("width", WIDTHS[i], quarter == i) for i in np.unique(quarter)]
    if strata is not None:
        groups += [("stratum", name, (strata == name).to_numpy()) for name in strata.unique().sort()]
    return pl.DataFrame([{"by": by, "group": group} | _covered(intervals, held) for by, group, held in groups])


def coverage(actual: np.ndarray, low: np.ndarray, high: np.ndarray) -> dict[str, float]:
    """Return the shares of scores (n,) inside of [low, high] (coverage), below and above it, and its median width."""
    return {
        "coverage": float(np.mean((low <= actual) & (actual <= high))),
        "below": float(np.mean(actual < low)),
        "above": float(np.mean(actual > high)),
        "width_median": float(np.median(high - low)),
    }


def interval_numbers(intervals: Intervals, covered: pl.DataFrame, quantiles: pl.DataFrame) -> dict[str, float]:
    """Return the values that the paper names: level, coverage of all, of narrow and wide ones, and pinball losses."""
    whole, by_width = covered.row(0, named=True), covered.filter(by="width")["coverage"]
    numbers = {name: value for name, value in whole.items() if name not in ("by", "group", "questions")}
    numbers |= {"level": intervals.level, "coverage_narrowest": by_width[0], "coverage_widest": by_width[-1]}
    for name, row in zip(("low", "median", "high"), quantiles.to_dicts(), strict=True):
        numbers |= {f"pinball_{name}": row["pinball"], f"pinball_{name}_constant": row["pinball_constant"]}
    return numbers


def _covered(intervals: Intervals, rows: np.ndarray) -> dict[str, float]:
    seeds: Sequence[dict[str, float]] = [
        coverage(intervals.actual[rows], low[rows], high[rows])
        for low, high in zip(intervals.low, intervals.high, strict=True)
    ]
    means = {name: float(np.mean([seed[name] for seed in seeds])) for name in seeds[0]}
    count = int(rows.sum())
    ends = binomtest(round(means["coverage"] * count), count).proportion_ci(method="wilson")
    return {"questions": count, **means, "coverage_low": float(ends.low), "coverage_high": float(ends.high)}
