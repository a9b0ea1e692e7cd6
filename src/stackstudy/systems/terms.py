"""Words of the questions as sparse matrices, and their truncated SVD; what several systems read is computed once."""

from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
import polars as pl
from scipy.sparse import csr_matrix, vstack
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from stackstudy.models.text import TextRegressor, stems
from stackstudy.systems.data import Data

Weighting = Literal["counts", "tfidf", "stems"]
SETTINGS: dict[Weighting, dict] = {
    "counts": {"use_idf": False, "norm": None},  # a bag of words
    "tfidf": {"ngram_range": (1, 2)},
    "stems": {"ngram_range": (1, 2), "tokenizer": stems, "token_pattern": None},
}


class Terms(NamedTuple):
    """A vectorizer fitted on the training questions, and what it gives for all of them."""

    vectorizer: TfidfVectorizer
    values: csr_matrix  # float32 (n, f)


def texts_of(questions: pl.DataFrame) -> pl.Series:
    """Return title and body of each question as one text (n,)."""
    return questions.select(pl.concat_str("title", "body", separator="\n")).to_series()


# One of each weighting at most: the systems of a notebook ask for the same ones.
@lru_cache(maxsize=3)
def terms_of(data: Data, weighting: Weighting, max_features: int) -> Terms:
    """Return the terms of title and body, the `max_features` most frequent. ValueError: no training text has a word."""
    texts, train = texts_of(data.questions), data.rows("train")
    others = np.setdiff1d(np.arange(len(texts)), train)
    vectorizer = TfidfVectorizer(max_features=max_features, dtype=np.float32, **SETTINGS[weighting])
    try:
        fitted = vectorizer.fit_transform(texts.gather(train))
    except ValueError as error:
        raise ValueError(f"no training question has a word in title or body: {error}") from None
    values = vstack([fitted, vectorizer.transform(texts.gather(others))], format="csr") if others.size else fitted
    return Terms(vectorizer, values[np.argsort(np.concatenate([train, others]))])


# The last one only, since it may be large: systems that share it fit one after the other.
@lru_cache(maxsize=1)
def components_of(data: Data, max_features: int, components: int, seed: int) -> tuple[np.ndarray, TextRegressor]:
    """Return truncated SVD components of the TF-IDF, float32 (n, c), and the model that gives them for any text.

    ValueError: more components than training questions or terms.
    """
    vectorizer, values = terms_of(data, "tfidf", max_features)
    terms = values[data.rows("train")]
    if components >= min(terms.shape):
        size = f"{terms.shape[0]} training questions with {terms.shape[1]} terms"
        raise ValueError(f"parameter components: {components} is too many for {size}")
    svd = TruncatedSVD(components, random_state=seed).fit(terms)
    directions = svd.components_.astype(np.float32)
    return values @ directions.T, TextRegressor(vectorizer, directions, np.zeros(components))
