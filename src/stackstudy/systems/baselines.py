"""Tag systems that a network has to beat; all are deterministic, and run for the first seed only.

Each writes ``folder/model/<system>``; its history is that of `choices`, the setting being the neighbours or the inverse
penalty.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.special import expit
from sklearn.feature_extraction.text import TfidfVectorizer

from stackstudy.models.files import read_model, write_model
from stackstudy.models.linear import Logistic, fit_logistic
from stackstudy.models.neighbours import votes
from stackstudy.models.text import TextRegressor
from stackstudy.params import TagsBaselines
from stackstudy.paths import replacing
from stackstudy.systems.choices import Try, about_choice, best_of, chosen
from stackstudy.systems.data import Apply, Data, Fitted, TagData
from stackstudy.systems.inputs import side_by_side, vectors_of
from stackstudy.systems.terms import texts_of
from stackstudy.tagspace.kmeans import unit_vectors

BOTH = ("title", "body")


def majority(data: TagData, parameters: TagsBaselines, folder: Path) -> Fitted:
    """Predict for every question how frequent each label is among the training questions."""
    arrays = {"shares": data.labels(data.rows("train")).mean(axis=0).astype(np.float32)}
    values = _shares(data.rows("validation", "test"), **arrays)
    fitted = best_of("majority", data, parameters, [Try(None, values)], arrays["shares"].size)
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
    fitted = best_of("zero-shot", data, parameters, [Try(None, values)], 0)
    _save(fitted, data, folder, BOTH, arrays)
    return fitted


def k_nearest(data: TagData, parameters: TagsBaselines, folder: Path) -> Fitted:
    """Predict the share of each label among the nearest training questions, weighted by their cosine.

    The cosine is the mean of those of titles and bodies; how many neighbours is chosen on validation rows.
    """
    train = data.rows("train")
    arrays = {name: data.stream(name)[train] for name in BOTH} | {"labels": data.labels(train)}
    values = _votes(data, data.rows("validation", "test"), parameters.neighbours, **arrays)
    tries = [Try(*each) for each in zip(parameters.neighbours, values, strict=True)]
    fitted = best_of("k-nearest", data, parameters, tries, sum(arrays[name].size for name in BOTH))
    _save(fitted, data, folder, BOTH, arrays)
    return fitted


def linear_probe(data: TagData, parameters: TagsBaselines, folder: Path) -> Fitted:
    """Predict by a logistic regression per label on title and body vector; C is chosen on validation rows."""
    vectors, train, rows = vectors_of(data, *BOTH), data.rows("train"), data.rows("validation", "test")
    labels, fits = data.labels(train), {}
    for penalty in parameters.inverse_penalties:
        fits[penalty] = fit_logistic(vectors[train], labels, penalty, f"linear-probe, C {penalty:g}")
    tries = [Try(penalty, fit(vectors[rows])) for penalty, fit in fits.items()]
    fitted = best_of("linear-probe", data, parameters, tries, _size(fits))
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
    tries = [Try(penalty, fit(others)) for penalty, fit in fits.items()]
    fitted = best_of("tfidf-logistic", data, parameters, tries, _size(fits))
    best = TextRegressor(vectorizer, *fits[chosen(fitted)])
    best.save(folder / "model" / "tfidf-logistic", about_choice(fitted, data, ()))
    return fitted


def load(folder: Path) -> Apply:
    """Return a saved system of this module as a function of any questions. ValueError: another version saved it."""
    about, arrays = read_model(folder)
    (seed,), setting = about["seeds"], about["setting"]
    if about["class"] == "k-nearest" and not arrays.keys() >= set(BOTH):
        raise ValueError(f"{folder} holds other vectors than those of title and body: run the experiment again")

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
    queries = side_by_side(*(vectors_of(data, name)[rows] for name in BOTH))
    return votes(queries, side_by_side(title, body), labels, counts)


def _size(fits: Mapping[float, Logistic]) -> int:
    return sum(array.size for array in next(iter(fits.values())))


def _save(fitted: Fitted, data: TagData, folder: Path, streams: tuple[str, ...], arrays: dict[str, np.ndarray]) -> None:
    with replacing(folder / "model" / fitted.predictions.system) as fresh:
        fresh.mkdir()
        write_model(fresh, about_choice(fitted, data, streams), arrays)
