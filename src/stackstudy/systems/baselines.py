"""Tag systems that a network has to beat; all are deterministic, and run for the first seed only.

Each writes ``folder/model/<system>`` and has a history of what was tried: seed, setting (the neighbours or the inverse
penalty, null where there was no choice) and validation_f1_micro at the threshold that is best for it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from scipy.special import expit
from sklearn.feature_extraction.text import TfidfVectorizer

from stackstudy.evaluation.tags import choose_threshold, micro_f1_at
from stackstudy.models.files import read_model, write_model
from stackstudy.models.linear import Logistic, fit_logistic
from stackstudy.models.neighbours import votes
from stackstudy.models.text import TextRegressor
from stackstudy.params import TagsBaselines
from stackstudy.paths import replacing
from stackstudy.systems.data import Apply, Data, Fitted, TagData, about_tags, predictions_of
from stackstudy.systems.inputs import vectors_of
from stackstudy.systems.terms import texts_of
from stackstudy.tagspace.kmeans import unit_vectors

BOTH = ("title", "body")


def majority(data: TagData, parameters: TagsBaselines, folder: Path) -> Fitted:
    """Predict for every question how frequent each label is among the training questions."""
    arrays = {"shares": data.labels(data.rows("train")).mean(axis=0).astype(np.float32)}
    values = _shares(data.rows("validation", "test"), **arrays)
    fitted = _fitted("majority", data, parameters, [_Try(None, values)], arrays["shares"].size)
    _save(fitted, data, folder, (), arrays)
    return fitted


def zero_shot(data: TagData, parameters: TagsBaselines, folder: Path) -> Fitted:
    """Predict (1 + cosine) / 2 between a question and each centroid; nothing is learned from labelled questions.

    A question is the mean of its title and body vectors. The study's dual encoder names the k nearest centroids: that
    is what the metrics ``*_at_1`` to ``*_at_5`` measure, while the evaluator's threshold gives as many as are near.
    ValueError: centroids of another dimension.
    """
    arrays = {"centroids": data.space.centroids}
    values = _nearness(data, data.rows("validation", "test"), **arrays)
    fitted = _fitted("zero-shot", data, parameters, [_Try(None, values)], 0)
    _save(fitted, data, folder, BOTH, arrays)
    return fitted


def k_nearest(data: TagData, parameters: TagsBaselines, folder: Path) -> Fitted:
    """Predict the share of each label among the nearest training questions, weighted by their cosine.

    The cosine is the mean of those of titles and bodies; how many neighbours is chosen on validation rows.
    """
    train = data.rows("train")
    arrays = {name: data.stream(name)[train] for name in BOTH} | {"labels": data.labels(train)}
    values = _votes(data, data.rows("validation", "test"), parameters.neighbours, **arrays)
    tries = [_Try(*each) for each in zip(parameters.neighbours, values, strict=True)]
    fitted = _fitted("k-nearest", data, parameters, tries, sum(arrays[name].size for name in BOTH))
    _save(fitted, data, folder, BOTH, arrays)
    return fitted


def linear_probe(data: TagData, parameters: TagsBaselines, folder: Path) -> Fitted:
    """Predict by a logistic regression per label on title and body vector; C is chosen on validation rows."""
    vectors, train, rows = vectors_of(data, *BOTH), data.rows("train"), data.rows("validation", "test")
    labels, fits = data.labels(train), {}
    for penalty in parameters.inverse_penalties:
        fits[penalty] = fit_logistic(vectors[train], labels, penalty, f"linear-probe, C {penalty:g}")
    tries = [_Try(penalty, fit(vectors[rows])) for penalty, fit in fits.items()]
    fitted = _fitted("linear-probe", data, parameters, tries, _size(fits))
    _save(fitted, data, folder, BOTH, fits[chosen(fitted)]._asdict())
    return fitted


def tfidf_logistic(data: TagData, parameters: TagsBaselines, folder: Path) -> Fitted:
    """Predict by a logistic regression per label on the TF-IDF of title and body; C is chosen on validation rows."""
    texts, train = texts_of(data.questions), data.rows("train")
    vectorizer = TfidfVectorizer(max_features=parameters.max_features, sublinear_tf=True, dtype=np.float32)
    terms = vectorizer.fit_transform(texts.gather(train))
    others = vectorizer.transform(texts.gather(data.rows("validation", "test")))
    labels, fits = data.labels(train), {}
    for penalty in parameters.inverse_penalties:
        fits[penalty] = fit_logistic(terms, labels, penalty, f"tfidf-logistic, C {penalty:g}")
    tries = [_Try(penalty, fit(others)) for penalty, fit in fits.items()]
    fitted = _fitted("tfidf-logistic", data, parameters, tries, _size(fits))
    best = TextRegressor(vectorizer, *fits[chosen(fitted)])
    best.save(folder / "model" / "tfidf-logistic", _about(fitted, data, ()))
    return fitted


def load(folder: Path) -> Apply:
    """Return a saved system of this module as a function of any questions."""
    about, arrays = read_model(folder)
    (seed,), setting = about["seeds"], about["setting"]

    def apply(data: Data, rows: np.ndarray) -> dict[int, np.ndarray]:
        match about["class"]:
            case "majority":
                values = _shares(rows, **arrays)
            case "zero-shot":
                values = _nearness(data, rows, **arrays)
            case "k-nearest":
                (values,) = _votes(data, rows, [int(setting)], **arrays)
            case "linear-probe":
                values = Logistic(**arrays)(vectors_of(data, *BOTH)[rows])
            case "tfidf-logistic":
                values = expit(TextRegressor.load(folder).predict(texts_of(data.questions[rows])).T)
        return {seed: values}

    return apply


BASELINES = {
    "majority": majority,
    "zero-shot": zero_shot,
    "k-nearest": k_nearest,
    "linear-probe": linear_probe,
    "tfidf-logistic": tfidf_logistic,
}


def chosen(fitted: Fitted) -> float | None:
    """Return the setting with the best validation F1; the first of equals."""
    return fitted.history["setting"][fitted.history["validation_f1_micro"].arg_max()]


class _Try(NamedTuple):
    setting: float | None
    probabilities: np.ndarray  # (m, k) of the validation and test rows


def _fitted(system: str, data: TagData, parameters: TagsBaselines, tries: list[_Try], size: int) -> Fitted:
    """Return the predictions of the best of what was tried."""
    validation, seed = data.rows("validation"), parameters.seeds[0]
    places = np.searchsorted(data.rows("validation", "test"), validation)
    truth = data.labels(validation)
    reached = [_best_f1(each.probabilities[places].astype(np.float32), truth) for each in tries]
    history = pl.DataFrame(
        {"seed": seed, "setting": [each.setting for each in tries], "validation_f1_micro": reached},
        schema_overrides={"setting": pl.Float64},
    )
    values = {seed: tries[int(np.argmax(reached))].probabilities}
    return Fitted(predictions_of(system, "tags", data, parameters, values), history, size)


def _best_f1(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return micro F1 at the threshold that is best for it."""
    return float(micro_f1_at(probabilities, labels, np.array([choose_threshold(probabilities, labels)]))[0])


def _shares(rows: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return the same shares (k,) for all rows (r,): (r, k)."""
    return np.tile(shares, (rows.size, 1))


def _nearness(data: Data, rows: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Return (1 + cosine) / 2 between the questions in `rows` (r,) and the centroids (k, d): (r, k)."""
    title, body = (vectors_of(data, name)[rows] for name in BOTH)
    if title.shape[1] != centroids.shape[1]:
        found = f"{centroids.shape[1]} dimensions, the question vectors {title.shape[1]}"
        raise ValueError(f"the centroids have {found}: make both with one encoder")
    middle = unit_vectors(unit_vectors(title) + unit_vectors(body))
    return ((1 + middle @ centroids.T) / 2).clip(0, 1)


def _votes(
    data: Data, rows: np.ndarray, counts: Sequence[int], title: np.ndarray, body: np.ndarray, labels: np.ndarray
) -> list[np.ndarray]:
    """Return the `votes` for the questions in `rows` of training ones: their vectors (t, d) and labels (t, k)."""
    queries = _side_by_side(*(vectors_of(data, name)[rows] for name in BOTH))
    return votes(queries, _side_by_side(title, body), labels, counts)


def _side_by_side(title: np.ndarray, body: np.ndarray) -> np.ndarray:
    """Return vectors (n, d) and (n, d) so scaled that the products of rows are mean cosines: float32 (n, 2d)."""
    return np.hstack([unit_vectors(each) / np.sqrt(2) for each in (title, body)]).astype(np.float32)


def _size(fits: Mapping[float, Logistic]) -> int:
    return sum(array.size for array in next(iter(fits.values())))


def _save(fitted: Fitted, data: TagData, folder: Path, streams: tuple[str, ...], arrays: dict[str, np.ndarray]) -> None:
    with replacing(folder / "model" / fitted.predictions.system) as fresh:
        fresh.mkdir()
        write_model(fresh, _about(fitted, data, streams), arrays)


def _about(fitted: Fitted, data: TagData, streams: tuple[str, ...]) -> dict[str, object]:
    """Return what is needed to use a model on new questions."""
    predictions = fitted.predictions
    return {"class": predictions.system, "setting": chosen(fitted), **about_tags(predictions, data, streams)}
