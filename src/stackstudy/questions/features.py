"""Engineered features of a question: what its text shows, when it was asked, and how it came into the table."""

from datetime import datetime
from typing import NamedTuple, Self

import polars as pl

CODE = r"(?s)```.*?```|`[^`\n]+`"
LINK = r"https?://"
QUESTION_WORD = r"(?i)\b(?:how|what|why|when|where|which|who)\b"


class Sample(NamedTuple):
    """The questions that features are relative to: those among which a system was trained."""

    newest: datetime | None  # creation of the newest one, from which age counts; None: unknown
    strata: tuple[str, ...]  # each is a column

    @classmethod
    def of(cls, questions: pl.DataFrame) -> Self:
        """Return what is to be remembered of a question table."""
        return cls(questions["created"].max(), tuple(questions["stratum"].drop_nulls().unique().sort()))


def text_features(questions: pl.DataFrame) -> pl.DataFrame:
    """Return what title, body and tags show, Float32 (n, 11); lengths of the body are log(1 + characters)."""
    title, body = pl.col("title"), pl.col("body")
    prose = body.str.replace_all(CODE, "").str.len_chars()
    length = body.str.len_chars()
    return _frame(
        questions,
        title_characters=title.str.len_chars(),
        title_words=title.str.count_matches(r"\S+"),
        title_question_words=title.str.count_matches(QUESTION_WORD),
        title_question_marks=title.str.count_matches(r"\?"),
        body_length=length.log1p(),
        prose_length=prose.log1p(),
        body_question_marks=body.str.count_matches(r"\?"),
        paragraphs=body.str.count_matches(r"\n\s*\n") + 1,
        code_share=(length.cast(pl.Float32) - prose) / pl.max_horizontal(length, 1),
        links=body.str.count_matches(LINK),
        tags=pl.col("tags").list.len(),
    )


def time_features(questions: pl.DataFrame, sample: Sample) -> pl.DataFrame:
    """Return hour (of the day, UTC) and age of each question, Float32 (n, 2), null where unknown."""
    created = pl.col("created")
    return _frame(questions, hour=created.dt.hour() + created.dt.minute() / 60, age=_age(sample))


def controls(questions: pl.DataFrame, sample: Sample) -> pl.DataFrame:
    """Return what is no text and yet tells the score: age, and a 0/1 column per stratum, Float32 (n, 1 + strata).

    A question of a stratum that the sample does not have is of none.
    """
    strata = {f"stratum {name}": pl.col("stratum").eq_missing(pl.lit(name)) for name in sample.strata}
    return _frame(questions, age=_age(sample), **strata)


def _age(sample: Sample) -> pl.Expr:
    """Return the years from a question's creation to that of the newest of the sample; negative for a newer one."""
    newest = pl.lit(sample.newest, pl.Datetime("us"))
    return (newest - pl.col("created")).dt.total_seconds() / (365.25 * 86_400)


def _frame(questions: pl.DataFrame, **columns: pl.Expr) -> pl.DataFrame:
    return questions.select(**{name: column.cast(pl.Float32) for name, column in columns.items()})
