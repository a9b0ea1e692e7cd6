"""One raw question, whatever file it comes from, to checked values of the question table; or the reason why not."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from stackstudy.questions.columns import PARSED
from stackstudy.questions.text import html_to_text

LARGEST_ID = 2**40  # leaves room to put a site number above it
_INT32 = 2**31 - 1
_ANGLES = re.compile(r"(?:<[^<>\s]+>)+")

POSTS_COLUMNS = {
    "question_id": "Id",
    "title": "Title",
    "body": "Body",
    "tags": "Tags",
    "score": "Score",
    "created": "CreationDate",
    "answer_count": "AnswerCount",
    "accepted_answer_id": "AcceptedAnswerId",
    "view_count": "ViewCount",
}
"""The columns of the Posts table of Stack Exchange, as in its dumps and in the Data Explorer."""

ANSWER = np.dtype([("id", "i8"), ("question", "i8"), ("created", "M8[us]")])


class Reject(NamedTuple):
    """A row that is left out; `row` counts the data rows of the file from 1."""

    file: str
    row: int
    id: str | None
    field: str
    reason: str


class FieldError(ValueError):
    """A value that a row cannot be used with."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(field, reason)
        self.field, self.reason = field, reason


@dataclass
class Batch:
    """Consecutive rows of one file after parsing: questions by column, facts of answers, and what was left out."""

    site: str
    rows: int = 0
    questions: list[tuple] = field(default_factory=list)
    question_rows: list[int] = field(default_factory=list)
    answers: list[tuple] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)

    def table(self) -> pa.RecordBatch:
        """Return the questions as a record batch with the schema `PARSED`."""
        columns = list(zip(*self.questions, strict=True)) or [[]] * len(PARSED)
        return pa.record_batch([pa.array(c, f.type) for c, f in zip(columns, PARSED, strict=True)], schema=PARSED)

    def answer_facts(self) -> np.ndarray:
        """Return id, question and time of the answers, (m,) `ANSWER`."""
        facts = np.empty(len(self.answers), ANSWER)
        for name, values in zip(ANSWER.names, zip(*self.answers, strict=True), strict=False):
            dtype = pa.timestamp("us") if name == "created" else pa.int64()  # faster than numpy on Python's datetime
            facts[name] = pa.array(values, dtype).to_numpy(zero_copy_only=False)
        return facts


def add_row(batch: Batch, raw: Mapping[str, Any], names: Mapping[str, str], file: str, *, html: bool) -> None:
    """Count one raw row in and put it among the questions, the answers or the rejects of `batch`.

    `names` maps columns of the question table to those of `raw`; a value may be text or already typed.
    """
    batch.rows += 1
    try:
        kind = raw.get("PostTypeId", "1")
        if kind == "1":
            batch.questions.append(_question(raw, names, batch.site, html=html))
            batch.question_rows.append(batch.rows)
        elif kind == "2":
            batch.answers.append(_answer(raw))
    except FieldError as error:
        number = raw.get(names["question_id"])
        identity = None if number is None else str(number)
        batch.rejects.append(Reject(file, batch.rows, identity, error.field, error.reason))


def parse_tags(tags: str | Iterable[str] | None) -> list[str]:
    """Return lower-case tags without repeats from ``<a><b>``, ``|a|b|``, ``a b`` or a list."""
    if tags is None:
        return []
    if isinstance(tags, str):
        tags = tags.strip()
        if tags.startswith("<"):
            if not _ANGLES.fullmatch(tags):
                raise ValueError("unreadable tags")
            tags = tags[1:-1].split("><")
        else:
            tags = tags.split("|") if "|" in tags else tags.split()
    return list(dict.fromkeys(name for tag in tags if (name := tag.strip().lower())))


def parse_time(value: str | datetime | None) -> datetime | None:
    """Return a UTC time without zone from ISO 8601 or ``month/day/year hour:minute``; None for an empty one."""
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        time = value
    elif "/" in value:
        time = datetime.strptime(value, "%m/%d/%Y %H:%M")
    else:
        time = datetime.fromisoformat(value)
    return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time


def _question(raw: Mapping[str, Any], names: Mapping[str, str], site: str, *, html: bool) -> tuple:
    """Return the values of one question in the order of `PARSED`."""
    values = {column: raw.get(name) for column, name in names.items()}
    get = values.get
    number = _integer(get("question_id"), names["question_id"], 0, LARGEST_ID, needed=True)
    title = (get("title") or "").strip()
    if not title:
        raise FieldError(names["title"], "missing")
    if not (where := get("site") or site):
        raise FieldError("site", "missing")
    body = get("body") or ""
    return (
        number,
        where,
        title,
        html_to_text(body) if html and raw.get("body_is_html", True) else body,
        _tags(get("tags"), names["tags"]),
        _integer(get("score"), names["score"], -_INT32, _INT32, needed=True),
        _time(get("created"), names.get("created")),
        _integer(get("answer_count"), names.get("answer_count"), 0, _INT32),
        _integer(get("accepted_answer_id"), names.get("accepted_answer_id"), 0, LARGEST_ID),
        _time(get("accepted_answer_created"), names.get("accepted_answer_created")),
        _integer(get("view_count"), names.get("view_count"), 0, _INT32),
        get("stratum"),
    )


def _answer(raw: Mapping[str, str]) -> tuple:
    identity = _integer(raw.get("Id"), "Id", 0, LARGEST_ID, needed=True)
    question = _integer(raw.get("ParentId"), "ParentId", 0, LARGEST_ID, needed=True)
    return identity, question, _time(raw.get("CreationDate"), "CreationDate")


def _tags(value: Any, field: str) -> list[str]:
    try:
        tags = parse_tags(value)
    except ValueError as error:
        raise FieldError(field, str(error)) from error
    if not tags:
        raise FieldError(field, "missing")
    return tags


def _integer(value: Any, field: str, low: int, high: int, *, needed: bool = False) -> int | None:
    if value is None or value == "":
        if needed:
            raise FieldError(field, "missing")
        return None
    try:
        number = int(value)
    except (ValueError, OverflowError) as error:
        raise FieldError(field, "not an integer") from error
    if number != value and not isinstance(value, str):  # a float column with a fraction or NaN
        raise FieldError(field, "not an integer")
    if not low <= number <= high:
        raise FieldError(field, "out of range")
    return number


def _time(value: Any, field: str) -> datetime | None:
    try:
        return parse_time(value)
    except (ValueError, TypeError) as error:
        raise FieldError(field, "not a time") from error
