"""Small sources of questions, written by the tests themselves."""

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.sax.saxutils import quoteattr

import pytest

POSTS = ["Id", "PostTypeId", "AcceptedAnswerId", "ParentId", "CreationDate", "Score", "ViewCount", "Body", "Title"]
POSTS += ["Tags", "AnswerCount"]


def question(number: int, **changed: Any) -> dict[str, Any]:
    """Return the attributes of a question; a change to None takes the attribute away."""
    values = {
        "Id": number,
        "PostTypeId": 1,
        "CreationDate": "2020-02-03T04:05:06.700",
        "Score": number % 7 - 1,
        "ViewCount": 10 * number,
        "Body": f"<p>Item {number} breaks in step {number * 31} of plan {number * number}.</p>",
        "Title": f"Why does item {number} break?",
        "Tags": "<python><c++>",
        "AnswerCount": 0,
    } | changed
    return {name: value for name, value in values.items() if value is not None}


def answer(number: int, parent: int, **changed: Any) -> dict[str, Any]:
    values = {"Id": number, "PostTypeId": 2, "ParentId": parent, "CreationDate": "2020-02-04T00:00:00.000"}
    return values | {"Score": 1, "Body": "<p>Restart it.</p>"} | changed


def row(post: dict[str, Any]) -> str:
    return f"  <row {' '.join(f'{name}={quoteattr(str(value))}' for name, value in post.items())} />\n"


def write_posts(path: Path, posts: list[dict[str, Any]]) -> Path:
    """Write a Posts.xml with a byte order mark, as Stack Exchange does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = '<?xml version="1.0" encoding="utf-8"?>\n<posts>\n' + "".join(map(row, posts)) + "</posts>\n"
    path.write_text(text, encoding="utf-8-sig")
    return path


def write_csv(path: Path, posts: list[dict[str, Any]], columns: list[str] = POSTS, encoding: str = "utf-8") -> Path:
    """Write a quoted CSV, as the Data Explorer does."""
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, columns, quoting=csv.QUOTE_ALL, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(posts)
    return path


@pytest.fixture
def make():
    """The functions above; tests are imported one by one, so they cannot import from each other."""
    return SimpleNamespace(question=question, answer=answer, row=row, posts=write_posts, csv=write_csv, columns=POSTS)
