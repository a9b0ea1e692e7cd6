"""Results within each stratum: how a question came into the sample may decide more than any system does."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl
from scipy import sparse

from stackstudy.evaluation.bootstrap import paired_bootstrap
from stackstudy.evaluation.predictions import Predictions, rows_of
from stackstudy.evaluation.tables import Systems, summary, tag_systems


def strata_of(questions: pl.DataFrame, rows: np.ndarray) -> pl.Series | None:
    """Return the name of the stratum of each of `rows`; None where the questions do not come from several strata."""
    named = questions["stratum"].fill_null("(none)").gather(rows)
    return named if named.n_unique() > 1 else None


def tags_by_stratum(systems: Systems, questions: pl.DataFrame, resamples: int, seed: int) -> pl.DataFrame | None:
    """Return the `summary` of tag systems in each stratum of the test rows, as `summary_of_parts`; None without strata.

    Thresholds stay those of all questions; macro F1 counts the labels that do not occur in a stratum as 0.
    """
    strata = strata_of(questions, rows_of(questions, "test"))
    if strata is None:
        return None

    def inside(places: np.ndarray) -> Systems:
        return {name: [each.take(places) for each in seeds] for name, seeds in systems.items()}

    return summary_of_parts(strata, inside, resamples, seed)


def summary_of_parts(
    parts: pl.Series, inside: Callable[[np.ndarray], Systems], resamples: int, seed: int
) -> pl.DataFrame:
    """Return the `summary` of each part (stratum), with its number of questions.

    `parts` names the part of each of n questions; `inside` gives the systems on those at some positions (r,) of them.
    """
    frames = []
    for name in parts.unique().sort():
        places = np.flatnonzero((parts == name).to_numpy())
        frame = summary(paired_bootstrap(inside(places), resamples, seed))
        frames.append(frame.select(pl.lit(name).alias("stratum"), pl.lit(places.size).alias("questions"), pl.all()))
    return pl.concat(frames, how="vertical_relaxed")


def side_by_side(strata: pl.DataFrame, systems: Mapping[str, str], metric: str) -> pl.DataFrame:
    """Return one row per stratum: questions, and `metric` of some systems (column -> system) with its interval."""
    table = strata.select("stratum", "questions").unique(maintain_order=True)
    for column, system in systems.items():
        ends = {f"{metric}{end}": f"{column}{end}" for end in ("", "_low", "_high")}
        part = strata.filter(system=system).select("stratum", *ends).rename(ends)
        table = table.join(part, on="stratum", how="left", maintain_order="left")
    return table.sort("questions", descending=True, maintain_order=True)


def leaders_by_stratum(
    leaders: Mapping[str, str],
    predictions: Sequence[Predictions],
    questions: pl.DataFrame,
    labels: sparse.csr_array,
    metric: str,
    resamples: int,
    seed: int,
) -> pl.DataFrame | None:
    """Return `metric` of the best system of each family, ``best_<family>`` of `leaders`, `side_by_side`; or None."""
    shown = {family.removeprefix("best_"): name for family, name in leaders.items() if family != "best"}
    systems = tag_systems([each for each in predictions if each.system in shown.values()], questions, labels)
    frame = tags_by_stratum(systems, questions, resamples, seed)
    return None if frame is None else side_by_side(frame, shown, metric)
