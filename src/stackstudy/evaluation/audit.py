"""The audit: what each habit of the published study does to a number, as a difference with its interval.

A row holds one system twice, under the published habit and without it, and nothing else differs. Its effect is the
published value minus the corrected one; the 95 % interval is a paired bootstrap over test questions and seeds (or
splits, where a row has those). No interval is corrected for the number of rows: one in twenty would miss by chance.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from stackstudy.evaluation.bootstrap import LEVEL, Evaluation, RowSums, paired_bootstrap
from stackstudy.evaluation.tables import comparisons

NEGLIGIBLE = 1e-6  # float32 sums differ by as much
MEASURES = {
    "f1_weighted": "weighted F1",
    "f1_micro": "micro F1",
    "r2": "R²",
    "gradient_norm": "gradient",
}
RAISES, LOWERS, NOTHING = "raises the value", "lowers the value", "no effect found"
SPREAD = dict.fromkeys(("system", "metric", "measure", "over"), pl.String) | {"runs": pl.Int64}
SPREAD |= dict.fromkeys(("mean", "std", "lowest", "highest", "apart"), pl.Float64)


class Defect(NamedTuple):
    """A habit of the published study and what stands in its place; `point` numbers what belongs together."""

    point: int
    name: str
    published: str
    corrected: str


DEFECTS = {
    "own_task": Defect(
        1, "own questions, own classes", "judged on questions of frequent classes", "judged on all questions and labels"
    ),
    "one_label": Defect(1, "one label a question", "the likeliest label alone", "every label above the threshold"),
    "label_count": Defect(2, "label count as an input", "the network knows how many labels to find", "it does not"),
    "one_key": Defect(3, "attention over one key", "the title asks one body vector", "the title asks many chunks"),
    "epoch": Defect(4, "epoch chosen on test", "best epoch of the reported rows", "best epoch of validation rows"),
    "threshold": Defect(4, "threshold chosen on test", "threshold of the reported rows", "of validation rows"),
    "epoch_and_threshold": Defect(4, "both chosen on test", "both of the reported rows", "both of validation rows"),
    "binarised_search": Defect(5, "search on 0 and 1", "threshold sought among decisions", "among probabilities"),
    "one_threshold": Defect(5, "one threshold for all labels", "one threshold for all labels", "one for each label"),
    "one_threshold_shrunk": Defect(
        5, "one threshold, not shrunk ones", "one threshold for all labels", "one for each, half-way to the one for all"
    ),
    "ten_questions": Defect(6, "ten questions decide", "all test questions", "all but the ten highest scores"),
    "no_stopping": Defect(6, "no early stopping", "the last epoch", "the best epoch of validation rows"),
    "input_mixup": Defect(7, "inputs mixed, not states", "inputs are mixed", "hidden states are mixed"),
    "any_mixup": Defect(7, "inputs mixed, or nothing", "inputs are mixed", "nothing is mixed"),
    "near_duplicates": Defect(8, "near-duplicates apart", "split by question", "split by group of near-duplicates"),
    "first_tokens": Defect(9, "first tokens of the body", "the first tokens of a body", "chunks of the whole body"),
    "gradient": Defect(10, "logarithm of a clamped p", "a clamped probability's logarithm", "log-sigmoid"),
    "file_head": Defect(11, "head of the file", "the first test rows of the file", "all test rows"),
    "random_rows": Defect(11, "as many random rows", "as many test rows at random", "all test rows"),
    "orphans": Defect(12, "all rare tags are labels", "each joins its nearest centroid", "only near ones join"),
}


@dataclass(frozen=True, eq=False)
class Row:
    """One system under a habit of `DEFECTS` and without it: one RowSums per seed, seed by seed the same on both sides.

    ValueError: the sides have different numbers of seeds.
    """

    defect: str
    system: str
    metric: str
    published: Sequence[RowSums]
    corrected: Sequence[RowSums]

    def __post_init__(self) -> None:
        if len(self.published) != len(self.corrected):
            found = f"{len(self.published)} and {len(self.corrected)}"
            raise ValueError(f"audit, {self.defect}: the two runs must have the same seeds, they have {found}")

    @property
    def rows(self) -> int:
        """How many questions are resampled."""
        return self.corrected[0].rows


def effects(rows: Iterable[Row], resamples: int, seed: int) -> pl.DataFrame:
    """Return one row per `Row`, in the order of `DEFECTS`.

    Columns: point, defect, name, system, metric and how it is called (measure), runs (seeds or splits), the two values,
    effect (published minus corrected), effect_low, effect_high (95 %), and verdict, which follows from the interval.
    """
    order = {defect: place for place, defect in enumerate(DEFECTS)}
    rows = sorted(rows, key=lambda row: order[row.defect])
    # Rows of the same questions share their resamples, and a side that stands in several rows is evaluated once.
    sides: dict[int, dict[str, Sequence[RowSums]]] = {}
    for row in rows:
        sides.setdefault(row.rows, {}).update({_key(side): side for side in (row.published, row.corrected)})
    found = {count: paired_bootstrap(each, resamples, seed, seeds_too=True) for count, each in sides.items()}
    return pl.DataFrame([_effect(row, found[row.rows]) for row in rows])


def verdict(low: float, high: float) -> str:
    """Return what an interval says of the published value."""
    if low > NEGLIGIBLE:
        return RAISES
    return LOWERS if high < -NEGLIGIBLE else NOTHING


def spread(runs: Mapping[tuple[str, str, str], np.ndarray]) -> pl.DataFrame:
    """Return how far a value scatters over runs that should not differ: (system, metric, over what) -> (r,) values.

    Columns: system, metric, measure, over, runs, mean, std, lowest, highest, and apart: 95 % of the pairs of such runs
    differ by less. A single run has no spread and no row.
    """
    return pl.DataFrame([_spread(*about, values) for about, values in runs.items() if values.size > 1], SPREAD)


def habits() -> pl.DataFrame:
    """Return `DEFECTS` as a table: point, name, published, corrected."""
    return pl.DataFrame(list(DEFECTS.values()), Defect._fields, orient="row")


def values_of(sums: Sequence[RowSums], metric: str) -> np.ndarray:
    """Return a metric of each seed or split, (s,)."""
    return np.array([each.point()[metric] for each in sums])


def numbers(effects: pl.DataFrame, spreads: pl.DataFrame) -> dict[str, Any]:
    """Return what the chapter names: each defect's row, counts of verdicts, and the spreads by system and metric."""
    found: dict[str, Any] = {row.pop("defect"): row for row in effects.to_dicts()}
    for name, word in (("raised", RAISES), ("lowered", LOWERS), ("nothing", NOTHING)):
        found[name] = effects.filter(verdict=word).height
    for row in spreads.to_dicts():
        key = "_".join(row[name] for name in ("system", "metric", "over")).replace("-", "_")
        found.setdefault("spread", {})[key] = row
    return found | {"rows": len(effects)}


def conclusions(effects: pl.DataFrame) -> str:
    """Return what came out as Markdown for a notebook; every word on an effect follows from its interval."""
    line = (
        "- {point}. **{name}** ({system}): {measure} {published:.3f} instead of {corrected:.3f}, "
        "{effect:+.3f} [{effect_low:+.3f}, {effect_high:+.3f}]: {verdict}."
    )
    return "\n".join(line.format(**row) for row in effects.to_dicts())


def _key(side: Sequence[RowSums]) -> str:
    """Name a side of a row by what it is."""
    return str(id(side))


def _effect(row: Row, evaluation: Evaluation) -> dict[str, Any]:
    sides = {"published": _key(row.published), "corrected": _key(row.corrected)}
    found = comparisons(evaluation, [row.metric], [tuple(sides.values())]).row(0, named=True)
    defect = DEFECTS[row.defect]
    return {
        "point": defect.point,
        "defect": row.defect,
        "name": defect.name,
        "system": row.system,
        "metric": row.metric,
        "measure": MEASURES[row.metric],
        "runs": len(row.published),
        **{side: float(evaluation.values[key][row.metric].mean()) for side, key in sides.items()},
        "effect": found["difference"],
        "effect_low": found["low"],
        "effect_high": found["high"],
        "verdict": verdict(found["low"], found["high"]),
    }


def _spread(system: str, metric: str, over: str, values: np.ndarray) -> dict[str, Any]:
    first, second = np.triu_indices(values.size, 1)
    return {
        "system": system,
        "metric": metric,
        "measure": MEASURES[metric],
        "over": over,
        "runs": values.size,
        "mean": float(values.mean()),
        "std": float(values.std(ddof=1)),
        "lowest": float(values.min()),
        "highest": float(values.max()),
        "apart": float(np.quantile(np.abs(values[first] - values[second]), LEVEL)),
    }
