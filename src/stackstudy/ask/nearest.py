"""The training questions that are most like a new one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl

from stackstudy.embeddings.store import load_stream
from stackstudy.evaluation.predictions import rows_of
from stackstudy.questions.schema import row_hash

COUNT = 5
BLOCK = 65_536  # questions at a time
EXCHANGES = ("stackoverflow.com", "serverfault.com", "superuser.com", "askubuntu.com", "mathoverflow.net")


@dataclass(frozen=True, eq=False)
class Nearest:
    """The training questions of a profile, and the vectors (n, d) of all of its titles and bodies."""

    questions: pl.DataFrame
    title: np.ndarray
    body: np.ndarray
    train: np.ndarray  # rows

    @classmethod
    def load(cls, store: Path, questions: pl.DataFrame) -> Self:
        """Map the vectors of a store into memory."""
        vectors = (load_stream(store, name, row_hash=row_hash(questions)) for name in ("title", "body"))
        return cls(questions.select("site", "question_id", "title", "tags"), *vectors, rows_of(questions, "train"))

    def __call__(self, title: np.ndarray, body: np.ndarray) -> list[dict[str, Any]]:
        """Return the nearest questions to a title and a body vector (d,), as JSON can hold them, nearest first.

        A question has either a ``link`` or, where no page is known, a ``title``: what is behind a link has authors.
        """
        cosines = np.concatenate([self._cosines(start, title, body) for start in range(0, self.train.size, BLOCK)])
        order = np.argsort(-cosines, kind="stable")[:COUNT]
        rows = self.questions[self.train[order]].iter_rows(named=True)
        return [_shown(row) | {"cosine": float(cosines[place])} for place, row in zip(order, rows, strict=True)]

    def _cosines(self, start: int, title: np.ndarray, body: np.ndarray) -> np.ndarray:
        """Return the mean cosine of titles and bodies; vectors in a store have unit length."""
        rows = self.train[start : start + BLOCK]
        both = ((self.title, title), (self.body, body))
        return np.mean([mine[rows].astype(np.float32) @ asked.astype(np.float32) for mine, asked in both], axis=0)


def link(site: str, question_id: int) -> str | None:
    """Return the public page of a question; None: its site is not one of Stack Exchange."""
    domain = site if "." in site else f"{site}.com"
    exchange = domain in EXCHANGES or domain.endswith(".stackexchange.com")
    return f"https://{domain}/questions/{question_id}" if exchange else None


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    page = link(row["site"], row["question_id"])
    named = {"site": row["site"], "question_id": row["question_id"], "tags": row["tags"]}
    return named | ({"link": page} if page else {"title": row["title"]})
