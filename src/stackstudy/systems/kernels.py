"""Tag systems that compare a question with all training questions: by words, by vectors, or by both.

Each writes ``folder/model/<system>``, and the probabilities that training questions would get from the others as
``folder/left-out/<system>.npy``, float32 (r, k); its history is that of `choices`, the setting being the penalty.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
from scipy.sparse import csr_matrix, issparse

from stackstudy.evaluation.calibration import Platt, fit_platt
from stackstudy.models.files import read_model, write_model
from stackstudy.models.kernel_ridge import KernelRidge, View, fit_kernel_ridge
from stackstudy.models.words import Words
from stackstudy.params import TagsKernels
from stackstudy.paths import replacing
from stackstudy.systems.choices import Try, about_choice, best_of, chosen
from stackstudy.systems.data import Apply, Data, Fitted, TagData
from stackstudy.systems.inputs import side_by_side, vectors_of

KERNELS = {"word-kernel": ("words",), "vector-kernel": ("vectors",), "hybrid-kernel": ("words", "vectors")}
STREAMS = ("title", "body")


@dataclass(frozen=True, eq=False)
class Views:
    """How questions are seen: their words, and their vectors less the mean of the training questions."""

    words: Words | None
    means: np.ndarray | None  # float32 (2, d): of title and body

    @classmethod
    def learn(cls, data: TagData, views: tuple[str, ...]) -> Self:
        """Learn from the training questions."""
        train = data.rows("train")
        words = means = None
        if "words" in views:
            texts = data.questions[train]
            words = Words.learn(texts, named_tags(data), len(data.space.names))
        if "vectors" in views:
            means = np.stack([vectors_of(data, name)[train].mean(axis=0) for name in STREAMS])
        return cls(words, means)

    def __call__(self, data: Data, rows: np.ndarray) -> tuple[View, ...]:
        """Return one view (r, d) after the other of the questions in `rows` (r,)."""
        seen: list[View] = [] if self.words is None else [self.words(data.questions[rows])]
        if self.means is not None:
            title, body = (vectors_of(data, name)[rows] for name in STREAMS)
            seen.append(side_by_side(title - self.means[0], body - self.means[1]))
        return tuple(seen)


def kernel(system: str, data: TagData, parameters: TagsKernels, folder: Path) -> Fitted:
    """Predict by kernel ridge regression of each label on the similarity to training questions.

    The penalty is chosen on validation rows. Scores become probabilities by one curve for all labels, fitted to the
    scores of left-out training questions. ValueError: no training question has a label, or words in common with
    another, or vectors are missing.
    """
    train, rows = data.rows("train"), data.rows("validation", "test")
    views, labels = Views.learn(data, KERNELS[system]), data.labels(train)
    references, asked = views(data, train), views(data, rows)
    taggers, left_out, tries = {}, {}, []
    for penalty, (ridge, scores) in zip(
        parameters.penalties, fit_kernel_ridge(references, labels, parameters.penalties), strict=True
    ):
        taggers[penalty] = KernelTagger(views, ridge, fit_platt(scores, labels))
        left_out[penalty] = taggers[penalty].platt(scores)
        tries.append(Try(penalty, taggers[penalty].platt(ridge(asked))))
    fitted = best_of(system, data, parameters, tries, ridge.weights.size)
    with replacing(folder / "left-out" / f"{system}.npy") as fresh, fresh.open("wb") as file:
        np.save(file, left_out[chosen(fitted)].astype(np.float32))
    streams = STREAMS if views.means is not None else ()
    taggers[chosen(fitted)].save(folder / "model" / system, about_choice(fitted, data, streams))
    return fitted


SYSTEMS: dict[str, Callable[..., Fitted]] = {name: partial(kernel, name) for name in KERNELS}


def left_out(folder: Path, system: str) -> np.ndarray:
    """Return the probabilities (r, k) of the training questions, each left out of what its own was computed from.

    FileNotFoundError: the run in `folder` has none.
    """
    path = folder / "left-out" / f"{system}.npy"
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: run {folder.name} again")
    return np.load(path)


def load(folder: Path) -> Apply:
    """Return a saved system of this module as a function of any questions."""
    about, _ = read_model(folder)
    (seed,), tagger = about["seeds"], KernelTagger.load(folder)
    return lambda data, rows: {seed: tagger(data, rows)}


def named_tags(data: TagData) -> dict[str, int]:
    """Return the label of each tag of a training question that has one."""
    known = data.space.tags.filter(pl.col("count") > 0).drop_nulls("centroid")
    return dict(known.select("tag", "centroid").iter_rows())


@dataclass(frozen=True, eq=False)
class KernelTagger:
    """All that turns questions into probabilities."""

    views: Views
    ridge: KernelRidge
    platt: Platt

    def __call__(self, data: Data, rows: np.ndarray) -> np.ndarray:
        """Return the probabilities (r, k) of the questions in `rows` (r,)."""
        return self.platt(self.ridge(self.views(data, rows)))

    def save(self, folder: Path, about: Mapping[str, Any]) -> None:
        """Write `folder` anew: ``model.json`` (with `about`) and ``model.safetensors``."""
        words, arrays = self.views.words.content() if self.views.words else (None, {})
        arrays |= {"weights": self.ridge.weights, "offsets": self.ridge.offsets}
        for view in self.ridge.references:
            if issparse(view):
                arrays |= {f"reference_words_{name}": getattr(view, name) for name in ("data", "indices", "indptr")}
            else:
                arrays |= {"reference_vectors": view, "means": self.views.means}
        with replacing(folder) as fresh:
            fresh.mkdir()
            write_model(fresh, {**about, "words": words, "platt": self.platt}, arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote. FileNotFoundError: there is no model."""
        about, arrays = read_model(folder)
        words = Words.restored(about["words"], arrays) if about["words"] else None
        references: list[View] = []
        if words:
            parts = tuple(arrays[f"reference_words_{name}"] for name in ("data", "indices", "indptr"))
            references.append(csr_matrix(parts, shape=(len(arrays["weights"]), words.terms)))
        if "means" in arrays:
            references.append(arrays["reference_vectors"])
        ridge = KernelRidge(tuple(references), arrays["weights"], arrays["offsets"])
        return cls(Views(words, arrays.get("means")), ridge, Platt(*about["platt"]))
