import numpy as np
import polars as pl
import pytest

from stackstudy.models.words import Words, parts, spoken

TITLES = ["sorting a list in c++", "asp.net page fails", "sorting an array in c++", "page of asp.net is blank"]
BODIES = ["call std sort", "the HttpResponse is empty", "call std sort", "an empty HttpResponse of spring boot"]
LABEL_OF = {"c++": 0, "asp.net": 1, "spring-boot": 2, "spring": 2, "sorting": 0}


@pytest.fixture
def texts() -> pl.DataFrame:
    return pl.DataFrame({"title": TITLES, "body": BODIES})


@pytest.fixture
def words(texts) -> Words:
    return Words.learn(texts, LABEL_OF, 3)


def asked(title: str = "", body: str = "") -> dict[str, list[str]]:
    return {"title": [title], "body": [body]}


def similarity(words: Words, first: dict, second: dict) -> float:
    return (words(first) @ words(second).T).toarray().item()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("getHTTPResponse", ["get", "http", "response"]),
        ("java_util.List2", ["java", "util", "list", "2"]),
        ("", []),
    ],
)
def test_identifiers_fall_into_parts(text, expected):
    assert parts(text) == expected


def test_words_are_spoken_as_tags_have_them():
    assert spoken("C++ and .NET, ASP.NET-MVC (C#).") == ["c++", "and", ".net", "asp.net", "mvc", "c#"]


def test_rows_of_questions_that_fill_every_field_have_unit_length(words, texts):
    rows = words(texts)
    assert (rows.shape, rows.dtype) == ((4, words.terms), np.float32)
    lengths = np.sqrt(rows.multiply(rows).sum(axis=1)).A1
    assert lengths.max() <= 1 + 1e-6
    np.testing.assert_allclose(lengths[3], 1, rtol=1e-6)
    assert lengths[0] < 1, "its body names no tag"
    assert words(asked()).nnz == 0


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (asked(title="sorting list"), asked(title="sorting array")),
        (asked(body="call"), asked(body="call sort")),
        (asked(body="HttpResponse"), asked(body="response http")),
        (asked(title="in c++"), asked(title="c++")),
    ],
    ids=["title words", "body words", "parts", "tags"],
)
def test_each_field_makes_questions_alike(words, first, second):
    assert similarity(words, first, second) > 0


def test_title_and_body_are_fields_apart(words):
    assert similarity(words, asked(title="page"), asked(body="page")) == 0


def test_tags_are_named_as_whole_words_whatever_stands_around_them(words):
    tags, labels = words.named(["Spring Boot, and C++.", "springs boots c", "spring"])
    assert tags.sum(axis=1).A1.tolist() == [3, 0, 1]  # spring, spring-boot and c++
    np.testing.assert_array_equal(labels.toarray(), [[1, 0, 1], [0, 0, 0], [0, 0, 1]])


def test_tags_of_one_label_make_questions_alike(words):
    assert similarity(words, asked(title="spring boot"), asked(title="spring")) > 0
    one_label = dict.fromkeys(LABEL_OF, 0)
    shared = Words(words.vectorizers, one_label, 3)
    assert similarity(shared, asked(title="spring"), asked(title="asp.net")) > 0
    assert similarity(words, asked(title="spring"), asked(title="asp.net")) == 0


def test_what_is_in_one_training_question_alone_is_no_term(words):
    assert "blank" not in words.vectorizers["title_words"].vocabulary_
    assert "page" in words.vectorizers["title_words"].vocabulary_


def test_restored_they_are_what_was_learned(words, texts):
    again = Words.restored(*words.content())
    assert again.terms == words.terms
    assert (again(texts) != words(texts)).nnz == 0


def test_nothing_in_common_is_named(texts):
    with pytest.raises(ValueError, match="no title words are in 2 or more training questions"):
        Words.learn(texts[:2], LABEL_OF, 3)
