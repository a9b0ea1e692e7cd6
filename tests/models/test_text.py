import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from stackstudy.models.text import TextRegressor, stems

TEXTS = ["cats running with dogs", "a dog runs", "the cat sleeps on a mat", "mats and dogs"]


def test_words_with_one_stem_become_one():
    assert stems("connect connected connections, a b2") == ["connect", "connect", "connect", "b2"]


@pytest.mark.parametrize(
    "settings",
    [
        {"use_idf": False, "norm": None},
        {"ngram_range": (1, 2), "sublinear_tf": True},
        {"tokenizer": stems, "token_pattern": None},
    ],
)
def test_a_saved_model_reads_texts_as_it_did(settings, tmp_path):
    vectorizer = TfidfVectorizer(dtype=np.float32, **settings).fit(TEXTS)
    weights = np.random.default_rng(0).normal(size=(2, len(vectorizer.vocabulary_))).astype(np.float32)
    model = TextRegressor(vectorizer, weights, np.array([0.5, -1.0]))
    model.save(tmp_path / "model", {"target": "raw"})
    again = TextRegressor.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict(TEXTS), model.predict(TEXTS))


def test_a_missing_model_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no model at"):
        TextRegressor.load(tmp_path)
