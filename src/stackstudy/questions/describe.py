"""What a question table holds, in numbers: the values that the paper's data chapter refers to."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from stackstudy.questions.ingest import IngestReport


def tag_counts(questions: pl.DataFrame) -> pl.DataFrame:
    """Return columns `tag`, `count`: on how many questions each tag stands, most frequent first, ties by name."""
    counts = questions.select(pl.col("tags").explode().alias("tag")).group_by("tag").len(name="count")
    return counts.sort(["count", "tag"], descending=[True, False])


def body_words(questions: pl.DataFrame) -> np.ndarray:
    """Return the number of white-space separated words of each body, shape (n,)."""
    return questions["body"].str.count_matches(r"\S+").to_numpy()


def answer_hours(questions: pl.DataFrame) -> np.ndarray:
    """Return hours from a question to its accepted answer, shape (m,), where both times are known and in order."""
    elapsed = questions["accepted_answer_created"] - questions["created"]
    hours = elapsed.dt.total_seconds().drop_nulls().to_numpy() / 3600
    return hours[hours > 0]


def counts(report: IngestReport) -> pl.DataFrame:
    """Return what came in and what was left out, one row a fact: columns `what`, `questions`."""
    facts = {
        "read": report.questions + sum(report.rejected.values()),
        **{f"rejected, {reason}": number for reason, number in report.rejected.items()},
        "kept": report.questions,
        **{f"kept, in {split}": number for split, number in report.splits.items()},
        "repeating an earlier one": report.exact_duplicates,
        "close to an earlier one": report.near_duplicates,
    }
    return pl.DataFrame({"what": list(facts), "questions": list(facts.values())})


def metrics(questions: pl.DataFrame, report: IngestReport, corpus: str) -> dict[str, Any]:
    """Return the values of the paper's data chapter; `corpus` is the source: planted, or a path (its name stays)."""
    score, tags = questions["score"], questions["tags"]
    hours = answer_hours(questions)
    times = {"answer_hours_median": float(np.median(hours))} if hours.size else {}
    return {
        "corpus": Path(corpus).name,
        "rows": len(questions),
        **report.splits,
        "sites": questions["site"].n_unique(),
        "rejected": sum(report.rejected.values()),
        "groups": report.groups,
        "near_duplicates": report.near_duplicates,
        "exact_duplicates": report.exact_duplicates,
        "tags": tags.explode().n_unique(),
        "tags_per_question": float(tags.list.len().mean()),
        "body_words_median": float(np.median(body_words(questions))),
        "score_mean": float(score.mean()),
        "score_median": float(score.median()),
        "score_max": int(score.max()),
        "score_min": int(score.min()),
        "accepted": int(questions["accepted_answer_id"].count()),
        **times,
    }
