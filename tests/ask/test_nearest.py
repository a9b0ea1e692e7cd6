"""The nearest training questions, by link or by title."""

import numpy as np
import polars as pl
import pytest

from stackstudy.ask import nearest as module
from stackstudy.ask.nearest import Nearest, link

ROWS = {"site": ["planted", "stackoverflow.com", "planted"], "question_id": [1, 2, 3], "title": ["a", "b", "c"]}
QUESTIONS = pl.DataFrame(ROWS | {"tags": [["x"], ["y"], ["z"]]})
VECTORS = np.eye(3, dtype=np.float16)


def test_only_training_questions_are_found_nearest_first(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 1)
    near = Nearest(QUESTIONS, VECTORS, VECTORS, train=np.array([0, 1]))
    found = near(np.array([0.6, 0.8, 0]), np.array([0, 1, 0]))
    assert [each["question_id"] for each in found] == [2, 1]
    assert [each["cosine"] for each in found] == pytest.approx([0.9, 0.3])


def test_text_is_shown_only_where_there_is_no_public_page():
    first, second = Nearest(QUESTIONS, VECTORS, VECTORS, np.array([0, 1]))(VECTORS[0], VECTORS[0])
    assert first["title"] == "a"
    assert "link" not in first
    assert second["link"] == "https://stackoverflow.com/questions/2"
    assert "title" not in second


@pytest.mark.parametrize(
    ("site", "page"),
    [
        ("stackoverflow", "https://stackoverflow.com/questions/5"),
        ("beer.stackexchange.com", "https://beer.stackexchange.com/questions/5"),
        ("planted", None),
        ("my-forum", None),
        ("evil-stackexchange.com", None),
    ],
)
def test_link(site, page):
    assert link(site, 5) == page
