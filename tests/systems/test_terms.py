import numpy as np
import polars as pl
import pytest

from stackstudy.systems import terms
from stackstudy.systems.data import Data


def test_rows_stay_in_order_and_words_are_learned_from_training_rows_alone(data):
    words = pl.Series([f"row{i} shared" for i in range(400)])
    changed = Data(data.questions.with_columns(title=words, body=pl.lit("more")))
    vectorizer, values = terms.terms_of(changed, "counts", 10_000)
    train = changed.rows("train")
    assert set(vectorizer.vocabulary_) == {"shared", "more", *(f"row{i}" for i in train)}
    for row in (train[0], train[-1]):
        assert values[row, vectorizer.vocabulary_[f"row{row}"]] == 1
    other = changed.rows("test")[0]
    assert values[other].sum() == 2  # its own word is unknown


def test_stems_join_what_only_ends_differently(data):
    bodies = pl.Series(["connect connected connection"] * 400)
    changed = Data(data.questions.with_columns(title=pl.lit(""), body=bodies))
    assert "connect connect" in terms.terms_of(changed, "stems", 100).vectorizer.vocabulary_
    assert "connected" in terms.terms_of(changed, "tfidf", 100).vectorizer.vocabulary_


def test_what_was_asked_for_before_is_not_computed_again(data):
    assert terms.terms_of(data, "tfidf", 200) is terms.terms_of(data, "tfidf", 200)
    assert terms.components_of(data, 200, 5, 0) is terms.components_of(data, 200, 5, 0)
    assert terms.components_of(data, 200, 5, 1) is not terms.components_of(data, 200, 5, 0)


def test_components_are_those_of_the_model_beside_them(data):
    values, model = terms.components_of(data, 200, 5, 0)
    texts = terms.texts_of(data.questions)
    np.testing.assert_allclose(model.predict(texts).T, values, atol=1e-5)


def test_texts_without_words_are_refused(data):
    empty = Data(data.questions.with_columns(title=pl.lit("?"), body=pl.lit("")))
    with pytest.raises(ValueError, match="no training question has a word in title or body"):
        terms.terms_of(empty, "counts", 10)
