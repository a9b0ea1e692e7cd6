"""Systems that predict the raw tags of a question: those of centroids, given tags as labels, and the way by centroids.

The label space of `data` is that of `raw_space`. A question without a body is read as if its title were the body.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl

from stackstudy.evaluation.calibration import fit_platt
from stackstudy.models.kernel_ridge import KernelRidge, fit_kernel_ridge
from stackstudy.params import TagsRaw
from stackstudy.systems.baselines import k_nearest, majority, tfidf_logistic, zero_shot
from stackstudy.systems.choices import Try, about_choice, best_of, chosen
from stackstudy.systems.data import Data, Fitted, TagData
from stackstudy.systems.kernels import KERNELS, STREAMS, KernelTagger, Views
from stackstudy.tagspace.raw import representatives
from stackstudy.tagspace.space import TagSpace

KERNEL, ROUTE = "hybrid-kernel", "through-centroids"
SIMPLE: dict[str, Callable[..., Fitted]] = {
    "majority": majority,  # the most frequent tags, for every question
    "zero-shot": zero_shot,  # the tags whose names are nearest
    "k-nearest": k_nearest,
    "tfidf-logistic": tfidf_logistic,
}

AnyData = TypeVar("AnyData", bound=Data)


def titles_for_bodies(data: AnyData) -> AnyData:
    """Return the questions with the title, and its vector, in place of a body that is empty."""
    empty = (data.questions["body"].str.strip_chars() == "").to_numpy()
    if not empty.any():
        return data
    body = pl.when(pl.lit(empty)).then("title").otherwise("body").alias("body")
    streams = dict(data.streams)
    if "body" in streams and "title" in streams:
        streams["body"] = np.where(empty[:, None], streams["title"], streams["body"])
    return replace(data, questions=data.questions.with_columns(body), streams=streams)


def kernel_and_route(data: TagData, centroids: TagSpace, parameters: TagsRaw, folder: Path) -> tuple[Fitted, Fitted]:
    """Predict tags by kernel ridge regression, and again by way of `centroids`: one solve gives both.

    By the second way the same regression predicts centroids, and each stands for its most frequent tag; other tags get
    0. Each way has the penalty that is best for its own labels on validation rows. Only the first is saved.
    """
    train, rows = data.rows("train"), data.rows("validation", "test")
    views, count = Views.learn(data, KERNELS[KERNEL]), len(data.space.names)
    labels = np.hstack([data.labels(train), centroids.labels[train].toarray()])
    references, asked = views(data, train), views(data, rows)
    taggers, direct, coarse = {}, [], []
    for penalty, (ridge, scores) in zip(
        parameters.penalties, fit_kernel_ridge(references, labels, parameters.penalties), strict=True
    ):
        found = ridge(asked)
        platts = [fit_platt(scores[:, part], labels[:, part]) for part in (slice(count), slice(count, None))]
        own = KernelRidge(ridge.references, ridge.weights[:, :count], ridge.offsets[:count])
        taggers[penalty] = KernelTagger(views, own, platts[0])
        direct.append(Try(penalty, platts[0](found[:, :count])))
        coarse.append(Try(penalty, platts[1](found[:, count:])))
    fitted = best_of(KERNEL, data, parameters, direct, own.weights.size)
    taggers[chosen(fitted)].save(folder / "model" / KERNEL, about_choice(fitted, data, STREAMS))
    through = best_of(ROUTE, replace(data, space=centroids), parameters, coarse, ridge.weights.size - own.weights.size)
    values = as_tags(through.predictions.values[0], centroids, data.space)[None]
    return fitted, replace(through, predictions=replace(through.predictions, values=values))


def as_tags(values: np.ndarray, centroids: TagSpace, raw: TagSpace) -> np.ndarray:
    """Return what (n, centroids) says of tags, float32 (n, tags): a centroid stands for its most frequent tag alone."""
    found = np.zeros((len(values), len(raw.names)), np.float32)
    for centroid, label in enumerate(representatives(centroids, raw)):
        if label is not None:
            found[:, label] = values[:, centroid]
    return found
