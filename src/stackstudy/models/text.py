"""A linear model of the words of a text, and its files: JSON and safetensors instead of a pickle."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

import numpy as np
import snowballstemmer
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer

from stackstudy.paths import replacing

WORD = re.compile(TfidfVectorizer().token_pattern)
OPTIONS = ("sublinear_tf", "use_idf", "norm")  # of a vectorizer, that its model remembers
stem = cache(snowballstemmer.stemmer("english").stemWord)  # Porter's second stemmer; a word is stemmed once


def stems(text: str) -> list[str]:
    """Return the stems of the words of a lower-case text, in order; the ``tokenizer`` of a stemming vectorizer."""
    return [stem(word) for word in WORD.findall(text)]


@dataclass(frozen=True, eq=False)
class TextRegressor:
    """One weight per term, once for each output: a seed or a label.

    A ridge regression on components of a truncated SVD is such a model: the components are linear in the terms too.
    """

    vectorizer: TfidfVectorizer  # fitted, with f terms
    weights: np.ndarray  # float32 (s, f)
    intercepts: np.ndarray  # (s,)

    def predict(self, texts: Iterable[str]) -> np.ndarray:
        """Return each output for n texts: float64 (s, n)."""
        return self.outputs(self.vectorizer.transform(texts))

    def outputs(self, terms: csr_matrix) -> np.ndarray:
        """Return each output for what the vectorizer makes of n texts, (n, f): float64 (s, n)."""
        return (terms @ self.weights.T + self.intercepts).T

    def save(self, folder: Path, about: Mapping[str, Any] | None = None) -> None:
        """Write `folder` anew: ``model.json`` (`about`, settings, vocabulary) and ``model.safetensors``."""
        about = {
            **(about or {}),
            "ngram_range": self.vectorizer.ngram_range,
            "stemmed": self.vectorizer.tokenizer is stems,
            **{name: getattr(self.vectorizer, name) for name in OPTIONS},
            "intercepts": self.intercepts.tolist(),
            "vocabulary": self.vectorizer.get_feature_names_out().tolist(),
        }
        arrays = {"weights": np.ascontiguousarray(self.weights)}
        arrays |= {"idf": self.vectorizer.idf_} if self.vectorizer.use_idf else {}
        with replacing(folder) as fresh:
            fresh.mkdir()
            (fresh / "model.json").write_text(json.dumps(about, ensure_ascii=False) + "\n", encoding="utf-8")
            save_file(arrays, fresh / "model.safetensors")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote. FileNotFoundError: there is no model."""
        path = Path(folder) / "model.json"
        if not path.exists():
            raise FileNotFoundError(f"no model at {path}: run the experiment that trains it")
        about, arrays = json.loads(path.read_text(encoding="utf-8")), load_file(path.with_suffix(".safetensors"))
        options = {name: about[name] for name in ("vocabulary", *OPTIONS)}
        options |= {"tokenizer": stems, "token_pattern": None} if about["stemmed"] else {}
        vectorizer = TfidfVectorizer(ngram_range=tuple(about["ngram_range"]), dtype=np.float32, **options)
        if vectorizer.use_idf:
            vectorizer.idf_ = arrays["idf"]
        else:
            vectorizer.fit([""])  # nothing to learn but that the vocabulary is given
        return cls(vectorizer, arrays["weights"], np.array(about["intercepts"]))
