"""Metrics of raw tags as tag recommendation has them: the k surest tags of a question against those of its asker.

Whatever the asker gave is to be found, also tags that are too rare to be predicted, and tags never seen in training.
Precision divides the hits by k. Recall divides them by the number of the asker's tags (`recall_at_k`), as TagCombine
does (Xia et al. 2013), or by k where the asker gave more (`recall_capped_at_k`), as Post2Vec (Xu et al. 2022) and
PTM4Tag (He et al. 2022) do: who may name one tag cannot find three. F1 is theirs, question by question.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse

from stackstudy.evaluation.bootstrap import Metrics, RowSums, paired_bootstrap
from stackstudy.evaluation.predictions import Predictions, check_comparable, rows_of
from stackstudy.evaluation.tables import Systems, numbers, points, summary

TOP = 5
METRICS = ("precision", "recall", "f1", "recall_capped", "f1_capped")
NAMES = tuple(f"{metric}_at_{k}" for metric in METRICS for k in range(1, TOP + 1))
TESTED = ("precision_at_1", "recall_at_5", "f1_at_5")
CHOICE = "f1_at_5"  # on validation rows, of the best system
POSSIBLE = "best-possible"  # names all of the asker's tags that are labels, and nothing wrong before them
PARTS = ("", "_low", "_high")
CUTS = (1, 2, 3, 5, 10, 20, 50, 100)


def row_sums(scores: np.ndarray, labels: np.ndarray, asked: np.ndarray) -> RowSums:
    """Return what the metrics need, for scores (n, t) and bool labels (n, t) of t tags, and the number `asked` (n,).

    Of equal scores the earlier tag counts as surer. ValueError: fewer tags than are looked at.
    """
    if labels.shape[1] < TOP:
        raise ValueError(f"{labels.shape[1]} tags are too few to look at the {TOP} surest")
    best = np.argsort(-scores, axis=1, kind="stable")[:, :TOP]
    hits = np.take_along_axis(labels, best, axis=1).cumsum(axis=1)
    looked, asked = np.arange(1, TOP + 1), np.asarray(asked)[:, None]
    capped = np.minimum(asked, looked)
    parts = [hits / looked, hits / asked, 2 * hits / (looked + asked), hits / capped, 2 * hits / (looked + capped)]
    return RowSums((np.hstack([np.ones((len(labels), 1)), *parts]),), _means)


def raw_systems(
    predictions: Sequence[Predictions], questions: pl.DataFrame, labels: sparse.csr_array, split: str = "test"
) -> Systems:
    """Return what the metrics of each system need on the rows of a split, and those of `POSSIBLE`.

    `labels` is the bool CSR (all rows, t) of the raw tags. ValueError: predictions of another kind or question table.
    """
    check_comparable(predictions, "tags", questions)
    rows = rows_of(questions, split)
    truth, asked = labels[rows].toarray(), questions["tags"].list.len().to_numpy()[rows]
    systems = {each.system: [row_sums(seed, truth, asked) for seed in each.at(rows)] for each in predictions}
    return systems | {POSSIBLE: [row_sums(truth.astype(np.float32), truth, asked)]}


def best_system(predictions: Sequence[Predictions], questions: pl.DataFrame, labels: sparse.csr_array) -> Predictions:
    """Return the system with the highest `CHOICE` on validation rows; the first of equals."""
    table = points(raw_systems(predictions, questions, labels, "validation")).filter(pl.col("system") != POSSIBLE)
    name = table["system"][table[CHOICE].arg_max()]
    return next(each for each in predictions if each.system == name)


def kept_only(
    predictions: Predictions, questions: pl.DataFrame, labels: sparse.csr_array, resamples: int, seed: int
) -> pl.DataFrame:
    """Return the `summary` of a system where tags that are no label are taken from the test questions.

    So the literature has it: Post2Vec and PTM4Tag leave out tags with fewer than 50 posts, and posts without other
    tags.
    """
    rows = rows_of(questions, "test")
    truth = labels[rows].toarray()
    some = truth.any(axis=1)
    sums = [row_sums(each[some], truth[some], truth[some].sum(axis=1)) for each in predictions.at(rows)]
    return summary(paired_bootstrap({predictions.system: sums}, resamples, seed))


def conventions(table: pl.DataFrame, kept: pl.DataFrame) -> pl.DataFrame:
    """Return one row per convention and k for the system in `kept`: tags, recall_divides_by, k, precision, recall, f1.

    `table` is the `summary` of all systems on all tags. Metrics come with ``_low`` and ``_high``.
    """
    system = kept["system"].item()
    rows = []
    for tags, summed in (("all", table.filter(system=system)), ("kept", kept)):
        for divisor, end in (("tags given", ""), ("at most k", "_capped")):
            for k in range(1, TOP + 1):
                cells = {"precision": f"precision_at_{k}", "recall": f"recall{end}_at_{k}", "f1": f"f1{end}_at_{k}"}
                ends = {f"{name}{part}": f"{column}{part}" for name, column in cells.items() for part in PARTS}
                values = {name: summed[column].item() for name, column in ends.items()}
                rows.append({"tags": tags, "recall_divides_by": divisor, "k": k, **values})
    return pl.DataFrame(rows)


def coverage(tags: pl.DataFrame, questions: pl.DataFrame, minimum_count: int) -> pl.DataFrame:
    """Return, for each cut, the number of tags on so many training questions, and what of the test rows they cover.

    `minimum_count` is the cut of the systems; others stand beside it.

    Columns: minimum_count, tags; ``uses`` (share of all tags that askers gave), ``complete`` and ``without`` (shares of
    questions all or none of whose tags are among them). `tags` has the columns tag and count (training questions).
    """
    given = questions[rows_of(questions, "test")].select(pl.int_range(pl.len()).alias("row"), "tags").explode("tags")
    given = given.join(tags.select("tag", "count"), left_on="tags", right_on="tag", how="left")
    rows = []
    for cut in sorted({*CUTS, minimum_count}):
        known = given.with_columns(known=(pl.col("count") >= cut).fill_null(False))
        of_rows = known.group_by("row").agg(pl.col("known").mean())["known"]
        shares = {"uses": known["known"].mean(), "complete": (of_rows == 1).mean(), "without": (of_rows == 0).mean()}
        rows.append({"minimum_count": cut, "tags": int((tags["count"] >= cut).sum()), **shares})
    return pl.DataFrame(rows)


def raw_numbers(
    table: pl.DataFrame, kept: pl.DataFrame, covered: pl.DataFrame, minimum_count: int, questions: pl.DataFrame
) -> dict[str, Any]:
    """Return what the chapter names: all metrics of all systems, those on kept tags alone, and what the cut covers."""
    (cut,) = covered.filter(minimum_count=minimum_count).to_dicts()
    seen = covered.filter(minimum_count=1)["uses"].item()
    test = questions[rows_of(questions, "test")]["tags"].list.len()
    return {
        **numbers(table),
        "kept_only": numbers(kept),
        "cut": cut | {"never_seen": 1 - seen, "distinct_seen": covered.filter(minimum_count=1)["tags"].item()},
        "test": {"questions": len(test), "uses": int(test.sum()), "tags_per_question": float(test.mean())},
        "bodies": float((questions["body"].str.strip_chars() != "").mean()),
    }


def _means(sums: np.ndarray) -> Metrics:
    return dict(zip(NAMES, sums[1:] / sums[0], strict=True))
