"""Planted questions as a Stack Exchange dump (`Posts.xml`): HTML bodies, one row a line, answers with ParentId."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from stackstudy.paths import replacing
from stackstudy.questions.planted.corpus import FIRST_ANSWER_ID, plant_batches

FENCED = re.compile(r"```\n(.*?)\n```", re.DOTALL)
INLINE = re.compile(r"`([^`]+)`")
ATTRIBUTE = {'"': "&quot;", "\n": "&#xA;"}
REPLIES = (
    "<p>There is a call for that, see its manual page.</p>",
    "<p>Do it in two steps: <code>prepare()</code> first, then the rest.</p>",
    "<p>That cannot work, because the order is wrong.</p>\n\n<pre><code>first();\nsecond();\n</code></pre>",
)


def write_dump(path: Path, rows: int, seed: int = 0) -> None:
    """Write the questions of `plant(rows, seed)` and their answers as `Posts.xml`; memory stays flat.

    Every other answer quotes its question, so that answers have about half of the bytes, as in dumps of large sites.
    """
    with replacing(path) as fresh, fresh.open("w", encoding="utf-8", newline="\n") as out:
        out.write('<?xml version="1.0" encoding="utf-8"?>\n<posts>\n')
        for batch in plant_batches(rows, seed, batch=5_000):
            questions = batch.to_dicts()
            out.writelines(_row(_question(question)) for question in questions)
            out.writelines(_row(answer) for question in questions for answer in _answers(question))
        out.write("</posts>\n")


def html(body: str) -> str:
    """Return a plain body, with its code in back-ticks, as the HTML that Stack Exchange stores."""
    blocks = []
    for number, part in enumerate(FENCED.split(body)):
        if number % 2:
            blocks.append(f"<pre><code>{escape(part)}\n</code></pre>")
        else:
            paragraphs = INLINE.sub(r"<code>\1</code>", escape(part.strip())).split("\n")
            blocks += [f"<p>{paragraph}</p>" for paragraph in paragraphs if paragraph]
    return "\n\n".join(blocks)


def _row(attributes: dict[str, Any]) -> str:
    known = (f'{name}="{escape(str(value), ATTRIBUTE)}"' for name, value in attributes.items() if value is not None)
    return f"  <row {' '.join(known)} />\n"


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


def _question(question: dict[str, Any]) -> dict[str, Any]:
    return {
        "Id": question["question_id"],
        "PostTypeId": 1,
        "AcceptedAnswerId": question["accepted_answer_id"],
        "CreationDate": _time(question["created"]),
        "Score": question["score"],
        "ViewCount": question["view_count"],
        "Body": html(question["body"]),
        "Title": question["title"],
        "Tags": "".join(f"<{tag}>" for tag in question["tags"]),
        "AnswerCount": question["answer_count"],
        "CommentCount": 0,
    }


def _answers(question: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the answers; the accepted one comes first, the others a day after each other."""
    quoted = f"<blockquote>\n{html(question['body'])}\n</blockquote>\n\n"
    for place in range(question["answer_count"]):
        accepted = question["accepted_answer_created"] if place == 0 else None
        yield {
            "Id": FIRST_ANSWER_ID + 10 * question["question_id"] + place,
            "PostTypeId": 2,
            "ParentId": question["question_id"],
            "CreationDate": _time(accepted or question["created"] + timedelta(days=place + 1)),
            "Score": max(question["score"] // (place + 2), 0),
            "Body": (quoted if place % 2 == 0 else "") + REPLIES[(question["question_id"] + place) % len(REPLIES)],
            "CommentCount": 0,
        }
