"""A linear model of the TF-IDF of a text, and its files: JSON and safetensors instead of a pickle."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from safetensors.numpy import load_file, save_file
from sklearn.feature_extraction.text import TfidfVectorizer

from stackstudy.paths import replacing


@dataclass(frozen=True, eq=False)
class TextRegressor:
    """One weight per term, once for each seed.

    A ridge regression on components of a truncated SVD is such a model: the components are linear in the terms too.
    """

    vectorizer: TfidfVectorizer  # fitted, with f terms
    weights: np.ndarray  # float32 (s, f)
    intercepts: np.ndarray  # float64 (s,)

    def predict(self, texts: Iterable[str]) -> np.ndarray:
        """Return what each seed predicts for n texts: float64 (s, n)."""
        return (self.vectorizer.transform(texts) @ self.weights.T + self.intercepts).T

    def save(self, folder: Path) -> None:
        """Write `folder` anew: ``model.json`` (settings, intercepts, vocabulary) and ``model.safetensors``."""
        about = {
            "ngram_range": self.vectorizer.ngram_range,
            "intercepts": self.intercepts.tolist(),
            "vocabulary": self.vectorizer.get_feature_names_out().tolist(),
        }
        arrays = {"idf": self.vectorizer.idf_, "weights": np.ascontiguousarray(self.weights)}
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
        vectorizer = TfidfVectorizer(
            ngram_range=tuple(about["ngram_range"]), vocabulary=about["vocabulary"], dtype=np.float32
        )
        vectorizer.idf_ = arrays["idf"]
        return cls(vectorizer, arrays["weights"], np.array(about["intercepts"]))
