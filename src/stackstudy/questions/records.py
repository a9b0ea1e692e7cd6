"""Raw rows, whatever file they come from, to checked values of the question table; or the reasons why not."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stackstudy.questions.columns import PARSED
from stackstudy.questions.text import html_to_text

LARGEST_ID = 2**40  # leaves room to put a site number above it
_INT32 = 2**31 - 1
_BODY = PARSED.names.index("body")
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


@dataclass(frozen=True, eq=False)
class Parsed:
    """Consecutive rows of one file after parsing."""

    rows: int
    questions: pa.RecordBatch  # with the schema `PARSED`
    question_rows: np.ndarray  # (n,) int64, counted from 1 within these rows
    answers: np.ndarray  # (m,) ANSWER
    rejects: list[Reject]  # in the order of the rows


class Batch:
    """Collects consecutive rows of one file; `parsed` checks their values column by column."""

    def __init__(
        self, file: str, site: str, names: Mapping[str, str] = POSTS_COLUMNS, optional: Sequence[str] = ()
    ) -> None:
        """`names` maps columns of the question table to those of the file; `optional` labels may be missing."""
        self.file, self.site, self.names, self.optional = file, site, names, optional
        self.rows = 0
        self.questions: list[tuple[int, list[Any]]] = []  # row, and values in the order of `PARSED`
        self.answers: list[tuple[int, tuple[Any, ...]]] = []  # row, id, question and time
        self.rejects: list[Reject] = []
        self._columns = [names.get(column, column) for column in PARSED.names]

    def add(self, raw: Mapping[str, Any], *, html: bool) -> None:
        """Count one raw row in; a value may be text or already typed."""
        self.rows += 1
        kind = raw.get("PostTypeId", "1")
        if kind == "2":
            get = raw.get
            self.answers.append((self.rows, (get("Id"), get("ParentId"), get("CreationDate"))))
        elif kind == "1":
            values = [raw.get(name) for name in self._columns]
            body = values[_BODY] or ""
            values[_BODY] = html_to_text(body) if html and raw.get("body_is_html", True) else body
            self.questions.append((self.rows, values))

    def reject(self, identity: str | None, field: str, reason: str) -> None:
        """Count one raw row in that cannot be read at all."""
        self.rows += 1
        self.rejects.append(Reject(self.file, self.rows, identity, field, reason))

    def parsed(self) -> Parsed:
        """Return the rows with checked values, and why the others are left out."""
        checks = _QUESTION | {"site": _Check(partial(_site, default=self.site))}
        checks |= {name: _OPTIONAL[name] for name in self.optional}
        question_rows, questions = self._checked(self.questions, PARSED, checks, self._columns)
        _, answers = self._checked(self.answers, _ANSWERS, _ANSWER_CHECKS, _ANSWER_FIELDS)
        facts = np.empty(answers.num_rows, ANSWER)
        for name in ANSWER.names:
            facts[name] = answers[name].to_numpy(zero_copy_only=False)
        rejects = sorted(self.rejects, key=lambda reject: reject.row)
        return Parsed(self.rows, questions, question_rows, facts, rejects)

    def _checked(
        self,
        rows: list[tuple[int, list[Any]]],
        schema: pa.Schema,
        checks: Mapping[str, "_Check | _AsIs"],
        fields: Sequence[str],
    ) -> tuple[np.ndarray, pa.RecordBatch]:
        """Return the numbers and the values of the rows without a fault; the others become rejects."""
        numbers = np.array([number for number, _ in rows], np.int64)
        columns = zip(*(values for _, values in rows), strict=True) if rows else [()] * len(schema)
        faults: dict[int, tuple[str, str]] = {}  # place -> field and reason, of the first field that has one
        arrays = []
        for column, field, values in zip(schema, fields, columns, strict=True):
            array, found = checks[column.name].column(values, column.type)
            arrays.append(array)
            faults = {place: (field, reason) for place, reason in found.items()} | faults
        for place, (field, reason) in faults.items():
            identity = rows[place][1][0]
            text = None if identity is None else str(identity)
            self.rejects.append(Reject(self.file, int(numbers[place]), text, field, reason))
        if faults:
            good = np.ones(len(rows), bool)
            good[list(faults)] = False
            numbers, arrays = numbers[good], [array.filter(pa.array(good)) for array in arrays]
        return numbers, pa.record_batch(arrays, schema=schema)


def parse_tags(tags: str | Iterable[str] | None) -> list[str]:
    """Return lower-case tags without repeats from ``<a><b>``, ``|a|b|``, ``a b`` or a list."""
    if isinstance(tags, str):
        tags = tags.strip().lower()
        if tags.startswith("<"):
            if not _ANGLES.fullmatch(tags):
                raise ValueError("unreadable tags")
            return list(dict.fromkeys(tags[1:-1].split("><")))
        tags = tags.split("|") if "|" in tags else tags.split()
    return list(dict.fromkeys(name for tag in tags or () if (name := tag.strip().lower())))


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


def _site(value: str | None, default: str) -> str:
    return _present(value or default)


def _title(value: str | None) -> str:
    return _present((value or "").strip())


def _tags(value: str | Iterable[str] | None) -> list[str]:
    return _present(parse_tags(value))


def _time(value: Any) -> datetime | None:
    try:
        return parse_time(value)
    except (ValueError, TypeError) as error:
        raise ValueError("not a time") from error


def _present(value: Any) -> Any:
    if not value:
        raise ValueError("missing")
    return value


def _integer(value: Any, low: int, high: int, *, needed: bool) -> int | None:
    if value is None or value == "":
        if needed:
            raise ValueError("missing")
        return None
    try:
        number = int(value)
    except (ValueError, OverflowError) as error:
        raise ValueError("not an integer") from error
    if number != value and not isinstance(value, str):  # a float column with a fraction or NaN
        raise ValueError("not an integer")
    if not low <= number <= high:
        raise ValueError("out of range")
    return number


class _Check:
    """What a column may hold: a function that converts one value, or raises a ValueError with the reason why not."""

    def __init__(self, one: Callable[[Any], Any]) -> None:
        self.one = one

    def column(self, values: Sequence[Any], dtype: pa.DataType) -> tuple[pa.Array, dict[int, str]]:
        """Return converted values (n,), null where there is a fault, and the faults by place."""
        try:
            return pa.array([*map(self.one, values)], dtype), {}
        except ValueError:
            return self._one_by_one(values, dtype)

    def _one_by_one(self, values: Sequence[Any], dtype: pa.DataType) -> tuple[pa.Array, dict[int, str]]:
        converted, faults = [], {}
        for place, value in enumerate(values):
            try:
                converted.append(self.one(value))
            except ValueError as error:
                converted.append(None)
                faults[place] = str(error)
        return pa.array(converted, dtype), faults


class _AsIs:
    """Anything that there may be."""

    def column(self, values: Sequence[Any], dtype: pa.DataType) -> tuple[pa.Array, dict[int, str]]:
        return pa.array(values, dtype), {}


class _Time(_Check):
    """UTC times."""

    def __init__(self) -> None:
        super().__init__(_time)

    def column(self, values: Sequence[Any], dtype: pa.DataType) -> tuple[pa.Array, dict[int, str]]:
        """Convert all at once where all are ISO 8601 without a zone, else one after the other."""
        try:
            return pa.array(values, pa.string()).cast(dtype), {}
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            return self._one_by_one(values, dtype)


class _Integer(_Check):
    """Integers of a range."""

    def __init__(self, low: int, high: int, *, needed: bool = False) -> None:
        super().__init__(partial(_integer, low=low, high=high, needed=needed))
        self.low, self.high, self.needed = low, high, needed

    def column(self, values: Sequence[Any], dtype: pa.DataType) -> tuple[pa.Array, dict[int, str]]:
        """Convert all at once where all are decimal digits and within the range, else one after the other."""
        try:
            texts = pa.array(values, pa.string())
            numbers = texts.cast(pa.int64())
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            return self._one_by_one(values, dtype)
        least, most = (bound.as_py() for bound in pc.min_max(numbers).values())
        plain = not pc.any(pc.match_substring(texts, "x")).as_py()  # Arrow reads hexadecimal numbers too
        inside = least is None or (self.low <= least and most <= self.high)
        if plain and inside and not (self.needed and numbers.null_count):
            return numbers.cast(dtype), {}
        return self._one_by_one(values, dtype)


_ID, _COUNT = _Integer(0, LARGEST_ID), _Integer(0, _INT32)
_NEEDED_ID = _Integer(0, LARGEST_ID, needed=True)
_QUESTION = {
    "question_id": _NEEDED_ID,
    "title": _Check(_title),
    "body": _AsIs(),
    "tags": _Check(_tags),
    "score": _Integer(-_INT32, _INT32, needed=True),
    "created": _Time(),
    "answer_count": _COUNT,
    "accepted_answer_id": _ID,
    "accepted_answer_created": _Time(),
    "view_count": _COUNT,
    "stratum": _AsIs(),
}
_OPTIONAL = {"tags": _Check(parse_tags), "score": _Integer(-_INT32, _INT32)}
_ANSWER_FIELDS = ("Id", "ParentId", "CreationDate")
_ANSWERS = pa.schema([("id", pa.int64()), ("question", pa.int64()), ("created", pa.timestamp("us"))])
_ANSWER_CHECKS = {"id": _NEEDED_ID, "question": _NEEDED_ID, "created": _Time()}
