"""What carried a prediction: it is made again without each piece of the question (occlusion; Zeiler & Fergus 2014).

That works for every system, since it asks for nothing but predictions.
"""

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

import polars as pl

BODY_PIECES = 12  # at most: each costs a pass through the encoder
CHARACTERS = 6_000  # of body to be read again in all; a longer body has fewer, larger pieces
# Code stays whole, and lines and sentences end where they do in prose.
UNIT = re.compile(r"```.*?(?:```|\Z)\s*|(?:(?!```).)+?(?:(?<=[.?!:])\s+|\n+|(?=```)|\Z)", re.DOTALL)


class Piece(NamedTuple):
    """A stretch of a question: of the title a word, of the body one or more sentences or blocks of code."""

    field: Literal["title", "body"]
    start: int  # characters into the field
    stop: int

    def within(self, text: str) -> str:
        return text[self.start : self.stop]

    def without(self, text: str) -> str:
        """Return the text of the field without this piece."""
        return text[: self.start] + text[self.stop :]


def pieces(title: str, body: str) -> list[Piece]:
    """Return the words of a title, then the parts of a body, which stand end to end."""
    words = [Piece("title", *match.span()) for match in re.finditer(r"\S+", title)]
    units = [match.span() for match in UNIT.finditer(body)]
    most = min(BODY_PIECES, max(CHARACTERS // max(len(body), 1), 2))
    return [*words, *(Piece("body", start, stop) for start, stop in _merged(units, most))]


def occluded(question: pl.DataFrame, found: Sequence[Piece]) -> pl.DataFrame:
    """Return the one row of `question`, and after it that row without each piece: (1 + pieces) rows."""
    title, body = question["title"][0], question["body"][0]
    titles = [piece.without(title) if piece.field == "title" else title for piece in found]
    bodies = [piece.without(body) if piece.field == "body" else body for piece in found]
    repeated = pl.concat([question] * (1 + len(found)))
    return repeated.with_columns(
        question_id=pl.int_range(len(repeated), dtype=pl.Int64),
        title=pl.Series([title, *titles]),
        body=pl.Series([body, *bodies]),
    )


def _merged(spans: Sequence[tuple[int, int]], most: int) -> list[tuple[int, int]]:
    """Return at most `most` spans: the two neighbours that are shortest together become one until they are so few."""
    left = list(spans)
    while len(left) > most:
        at = min(range(len(left) - 1), key=lambda i: left[i + 1][1] - left[i][0])
        left[at : at + 2] = [(left[at][0], left[at + 1][1])]
    return left
