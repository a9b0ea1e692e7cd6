"""Tables about single labels of tag systems: how well each is predicted, and what it is mistaken for.

Everything is computed on the test rows, with each seed's own threshold; seeds are averaged. k labels.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from scipy import sparse

from stackstudy.evaluation import tags
from stackstudy.evaluation.predictions import Predictions, rows_of
from stackstudy.evaluation.thresholds import thresholds

ENDS = ("easiest", "hardest")


def per_label(
    predictions: Predictions, questions: pl.DataFrame, labels: sparse.csr_array, names: Sequence[str]
) -> pl.DataFrame:
    """Return precision, recall and f1 (means over seeds) and the support of each label: test questions that have it.

    ``training_support`` counts the training questions.
    """
    test = rows_of(questions, "test")
    truth, cuts = labels[test].toarray(), thresholds(predictions, questions, labels)
    seeds = [tags.per_label(v, truth, cut) for v, cut in zip(predictions.at(test), cuts, strict=True)]
    columns = {name: np.mean([each[name] for each in seeds], axis=0) for name in ("precision", "recall", "f1")}
    training = labels[rows_of(questions, "train")].sum(axis=0)
    counts = {"support": truth.sum(0), "training_support": np.asarray(training, dtype=np.int64)}
    return pl.DataFrame({"label": list(names), **columns, **counts})


def by_frequency(labels: pl.DataFrame) -> pl.DataFrame:
    """Return the mean f1 of the labels of each bin of training frequency, from a `per_label` table."""
    bins = tags.frequency_bins(labels["training_support"].to_numpy())
    parts = [(name, labels[places]) for name, places in bins]
    return pl.DataFrame(
        {
            "training_questions": [name for name, _ in parts],
            "labels": [len(part) for _, part in parts],
            "support": [part["support"].sum() for _, part in parts],
            "f1": [part["f1"].mean() for _, part in parts],
        }
    )


def systems_by_frequency(
    predictions: Sequence[Predictions], questions: pl.DataFrame, labels: sparse.csr_array, names: Sequence[str]
) -> pl.DataFrame:
    """Return the `by_frequency` table of each system, under one another, with the column ``system`` in front."""
    tables = [by_frequency(per_label(each, questions, labels, names)) for each in predictions]
    named = [
        table.select(pl.lit(each.system).alias("system"), pl.all())
        for each, table in zip(predictions, tables, strict=True)
    ]
    return pl.concat(named)


def mistaken(predictions: Predictions, questions: pl.DataFrame, labels: sparse.csr_array) -> np.ndarray:
    """Return for true label i and predicted label j a share of the test questions that have i: float64 (k, k).

    On the diagonal the share in which i was predicted (its recall). Elsewhere the share in which i was missed and j,
    which the question does not have, predicted. Several labels may be predicted at once, so a row need not sum to 1.
    Rows of labels without a test question are 0.
    """
    test = rows_of(questions, "test")
    truth, cuts = labels[test].toarray(), thresholds(predictions, questions, labels)
    counts = [_mistakes(v >= np.float32(cut), truth) for v, cut in zip(predictions.at(test), cuts, strict=True)]
    return np.mean(counts, axis=0) / np.maximum(truth.sum(0), 1)[:, None]


def most_mistaken(shares: np.ndarray, names: Sequence[str], support: Sequence[int], count: int) -> pl.DataFrame:
    """Return the `count` mistakes that most questions suffer: label, taken_for, questions (mean over seeds), share.

    `shares` (k, k) comes from `mistaken`, `support` (k,) are test questions. Mistakes that never happen are left out.
    """
    questions = shares * np.asarray(support)[:, None]
    np.fill_diagonal(questions, 0)
    places = np.argsort(-questions, axis=None, kind="stable")[:count]
    true, taken = np.unravel_index(places[questions.ravel()[places] > 0], shares.shape)
    return pl.DataFrame(
        {
            "label": [names[i] for i in true],
            "taken_for": [names[j] for j in taken],
            "questions": questions[true, taken],
            "share": shares[true, taken],
        }
    )


def extremes(labels: pl.DataFrame, count: int) -> pl.DataFrame:
    """Return the `count` easiest and hardest labels of a `per_label` table side by side, the extreme ones on top.

    Columns: easiest_label, easiest_f1, easiest_support, and the same of the hardest; of equal ones the first by name.
    """
    ranked = [labels.sort(["f1", "label"], descending=[end == "easiest", False]).head(count) for end in ENDS]
    parts = [
        part.select(pl.col("label", "f1", "support").name.prefix(f"{end}_"))
        for part, end in zip(ranked, ENDS, strict=True)
    ]
    return pl.concat(parts, how="horizontal")


def label_numbers(labels: pl.DataFrame) -> dict[str, float | str]:
    """Return what the text says of a `per_label` table: its ends, its quartiles, and how far frequency explains F1.

    ``frequency_spearman`` is missing where all labels have the same frequency or the same F1.
    """
    ends = extremes(labels, 1).row(0, named=True)
    numbers = {end: ends[f"{end}_label"] for end in ENDS} | {f"{end}_f1": ends[f"{end}_f1"] for end in ENDS}
    for name, share in (("lower", 0.25), ("upper", 0.75)):
        numbers[f"f1_{name}_quartile"] = labels["f1"].quantile(share, "linear")
    rank = labels.select(pl.corr("training_support", "f1", method="spearman")).item()
    return numbers if np.isnan(rank) else numbers | {"frequency_spearman": rank}


def _mistakes(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return counts (k, k) of hits (diagonal) and of mistakes (elsewhere) for bool (n, k)."""
    missed, wrong = (sparse.csc_array(part, dtype=np.float64) for part in (truth & ~predicted, predicted & ~truth))
    # The product has nothing on the diagonal: no label is both missed and wrongly predicted.
    return (missed.T @ wrong).toarray() + np.diag((truth & predicted).sum(axis=0))
