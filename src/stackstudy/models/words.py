"""What a question says, as one sparse row of unit length: its words, the parts of its identifiers, the tags it names.

Each field has the same weight: words of the title, words of the body, parts of the body's identifiers, tags named in
the title, tags named in the body. A named tag also counts for the label that it belongs to, so that what one tag of a
label has taught holds for its others.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import polars as pl
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.preprocessing import normalize

PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
SPOKEN = re.compile(r"\.?[a-z0-9+#]+(?:\.[a-z0-9+#]+)*")


def parts(text: str) -> list[str]:
    """Return what words and identifiers consist of, lower-case: of ``getHTTPResponse``, get, http and response."""
    return [part.lower() for part in PART.findall(text)]


def spoken(text: str) -> list[str]:
    """Return the words of a text as tags have them: c++, .net and asp.net are words, a hyphen is a space."""
    return SPOKEN.findall(text.lower())


FIELDS: dict[str, tuple[str, dict[str, Any]]] = {  # name -> column, and how it is cut into terms
    "title_words": ("title", {"ngram_range": (1, 2)}),
    "body_words": ("body", {}),
    "body_parts": ("body", {"tokenizer": parts, "token_pattern": None, "lowercase": False}),
}
COLUMNS = ("title", "body")
LEAST = 2  # training questions that a term must be in

Texts = Mapping[str, Sequence[str]] | pl.DataFrame  # title and body of n questions


@dataclass(frozen=True, eq=False)
class Words:
    """Terms and their weights, learned from training questions, and the tags of each label."""

    vectorizers: dict[str, TfidfVectorizer]  # by field
    label_of: dict[str, int]  # of each tag that may be named
    labels: int

    @classmethod
    def learn(cls, texts: Texts, label_of: Mapping[str, int], labels: int) -> Self:
        """Learn the terms of training questions. ValueError: they have no term in common."""
        vectorizers = {field: _vectorizer(field, min_df=LEAST) for field in FIELDS}
        for field, (column, _) in FIELDS.items():
            try:
                vectorizers[field].fit(texts[column])
            except ValueError as error:
                what = field.replace("_", " ")
                raise ValueError(f"no {what} are in {LEAST} or more training questions: {error}") from None
        return cls(vectorizers, dict(label_of), labels)

    def __call__(self, texts: Texts) -> csr_matrix:
        """Return float32 (n, f); a row is shorter than 1 where a field is empty."""
        blocks = [self.vectorizers[field].transform(texts[column]) for field, (column, _) in FIELDS.items()]
        for column in COLUMNS:
            tags, labels = self.named(texts[column])
            blocks.append(normalize(hstack([tags, labels], format="csr")))
        return (hstack(blocks, format="csr") / np.sqrt(len(blocks))).astype(np.float32)

    @property
    def terms(self) -> int:
        """Return how many columns there are."""
        tags, labels = self._finder[1].shape
        return sum(len(each.vocabulary_) for each in self.vectorizers.values()) + len(COLUMNS) * (tags + labels)

    def named(self, texts: Sequence[str]) -> tuple[csr_matrix, csr_matrix]:
        """Return which tags (n, t), and which labels by their tags (n, k), n texts name: float32, 0 or 1."""
        finder, members = self._finder
        tags = finder.transform(texts)
        return tags, (tags @ members).minimum(1).tocsr()

    def content(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return what `restored` needs, as JSON and as arrays."""
        terms = {field: each.get_feature_names_out().tolist() for field, each in self.vectorizers.items()}
        about = {"terms": terms, "label_of": self.label_of, "label_count": self.labels}
        return about, {f"{field}_idf": each.idf_ for field, each in self.vectorizers.items()}

    @classmethod
    def restored(cls, about: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """Return the words whose `content` this is."""
        vectorizers = {field: _vectorizer(field, vocabulary=terms) for field, terms in about["terms"].items()}
        for field, each in vectorizers.items():
            each.idf_ = arrays[f"{field}_idf"]
        return cls(vectorizers, about["label_of"], about["label_count"])

    @cached_property
    def _finder(self) -> tuple[CountVectorizer, csr_matrix]:
        """What finds tags in a text, and the labels (t, k) of each; tags that are spoken alike are one."""
        spelled = {tag: name for tag in self.label_of if (name := " ".join(spoken(tag)))}
        names = sorted(set(spelled.values()))
        longest = max((name.count(" ") + 1 for name in names), default=1)
        cut = {"tokenizer": spoken, "token_pattern": None, "lowercase": False, "ngram_range": (1, longest)}
        finder = CountVectorizer(vocabulary=names, binary=True, dtype=np.float32, **cut)
        place, members = {name: i for i, name in enumerate(names)}, np.zeros((len(names), self.labels), np.float32)
        for tag, name in spelled.items():
            members[place[name], self.label_of[tag]] = 1
        return finder, csr_matrix(members)


def _vectorizer(field: str, **options: Any) -> TfidfVectorizer:
    _, cut = FIELDS[field]
    return TfidfVectorizer(sublinear_tf=True, dtype=np.float32, **cut, **options)
