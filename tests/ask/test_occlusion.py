"""Pieces of a question, and the question without each."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from stackstudy.ask.occlusion import BODY_PIECES, occluded, pieces

TEXT = st.text(alphabet="ab .?\n`", max_size=200)


@given(TEXT, TEXT)
def test_body_pieces_stand_end_to_end_and_title_pieces_are_its_words(title, body):
    found = pieces(title, body)
    parts = [piece for piece in found if piece.field == "body"]
    assert "".join(piece.within(body) for piece in parts) == body
    assert [piece.within(title) for piece in found if piece.field == "title"] == title.split()
    assert len(parts) <= BODY_PIECES


def test_code_stays_whole_and_sentences_end_where_prose_does():
    body = "First one. Second?\n\n```\na. b\n\nc\n```\n\nThird."
    assert [piece.within(body) for piece in pieces("", body)] == [
        "First one. ",
        "Second?\n\n",
        "```\na. b\n\nc\n```\n\n",
        "Third.",
    ]


def test_a_long_body_has_few_pieces_since_each_is_a_pass_through_the_encoder():
    assert len(pieces("", "A sentence here. " * 1000)) == 2
    assert len(pieces("", "Short. " * 30)) == BODY_PIECES


def test_each_row_lacks_one_piece():
    question = pl.DataFrame({"question_id": [7], "title": ["two words"], "body": ["One. Two."], "tags": [["x"]]})
    table = occluded(question, pieces("two words", "One. Two."))
    assert table["title"].to_list() == ["two words", " words", "two ", "two words", "two words"]
    assert table["body"].to_list() == ["One. Two."] * 3 + ["Two.", "One. "]
    assert table["question_id"].is_unique().all()
    assert table["tags"].to_list() == [["x"]] * 5
