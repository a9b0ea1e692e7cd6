from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackstudy.questions.records import parse_tags, parse_time

NAMES = st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789.#+-éж", min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("<c++><.net><c#>", ["c++", ".net", "c#"]),
        ("|c++|.net|c#|", ["c++", ".net", "c#"]),
        ("c++ .net  c#", ["c++", ".net", "c#"]),
        ("<Python><python>", ["python"]),
        (["SQL ", "", "sql"], ["sql"]),
        ("single", ["single"]),
        ("", []),
        (None, []),
    ],
)
def test_tag_notations(text, tags):
    assert parse_tags(text) == tags


@given(st.lists(NAMES, min_size=1, unique=True))
def test_every_notation_gives_the_same_tags(tags):
    written = ["".join(f"<{tag}>" for tag in tags), f"|{'|'.join(tags)}|", " ".join(tags), tags]
    assert [parse_tags(text) for text in written] == [tags] * 4


@pytest.mark.parametrize("text", ["<a><b", "<a>b>", "<>", "<a><>"])
def test_broken_notation_is_not_guessed_at(text):
    with pytest.raises(ValueError, match="unreadable"):
        parse_tags(text)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2014-01-21T20:26:05.383", datetime(2014, 1, 21, 20, 26, 5, 383_000)),
        ("2008-08-02 08:19:18", datetime(2008, 8, 2, 8, 19, 18)),
        ("2008-08-01T13:57:07Z", datetime(2008, 8, 1, 13, 57, 7)),
        ("2008-08-01T13:57:07+02:00", datetime(2008, 8, 1, 11, 57, 7)),
        ("1/31/2009 2:26", datetime(2009, 1, 31, 2, 26)),
        ("", None),
        (None, None),
    ],
)
def test_time_notations(text, time):
    assert parse_time(text) == time
