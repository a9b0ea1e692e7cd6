"""What a question table holds, in numbers: the values that the paper's data chapter refers to."""

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
