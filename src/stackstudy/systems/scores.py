"""The score systems by name, and the traditional ones: the mean, and a linear model of the words."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from scipy.sparse import csr_matrix
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge

from stackstudy.models.text import TextRegressor
from stackstudy.params import ScoresTraditional
from stackstudy.runs import progress
from stackstudy.runs.products import save_json
from stackstudy.systems.data import Data, Fitted, predictions_of

ScoreSystem = Callable[[Data, Any, Path], Fitted]


def mean(data: Data, parameters: ScoresTraditional, folder: Path) -> Fitted:
    """Predict the mean of the training scores for every question; the same for all seeds, so for the first only."""
    scores = data.questions["score"].to_numpy()
    average, seed = float(scores[data.rows("train")].mean()), parameters.seeds[0]
    values = np.full(data.rows("validation", "test").size, average)
    save_json({"mean": average}, folder / "model" / "mean.json")
    history = pl.DataFrame({"seed": [seed], "validation_rmse": [_rmse(scores[data.rows("validation")], average)]})
    return Fitted(predictions_of("mean", "scores", data, parameters, {seed: values}), history)


def tfidf_svd_ridge(data: Data, parameters: ScoresTraditional, folder: Path) -> Fitted:
    """Predict the raw score by ridge regression on truncated SVD components of the TF-IDF of title and body.

    Terms are words and pairs of words. The penalty with the lowest RMSE on validation rows is taken; seeds are those
    of the randomised SVD. ValueError: more components than training questions or terms.
    """
    texts, scores = texts_of(data.questions), data.questions["score"].to_numpy()
    train, validation = data.rows("train"), data.rows("validation")
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), max_features=parameters.max_features, dtype=np.float32)
    fit = vectorizer.fit_transform(texts.gather(train)), scores[train]
    choose = vectorizer.transform(texts.gather(validation)), scores[validation]
    tried = [_ridges(fit, choose, parameters, seed) for seed in parameters.seeds]
    best = [min(ridges, key=lambda ridge: ridge.validation_rmse) for ridges in tried]
    model = TextRegressor(vectorizer, np.stack([b.weights for b in best]), np.array([b.intercept for b in best]))
    model.save(folder / "model" / "tfidf-svd-ridge")
    values = model.predict(texts.gather(data.rows("validation", "test")))
    by_seed = dict(zip(parameters.seeds, values, strict=True))
    history = pl.DataFrame([ridge[:3] for ridges in tried for ridge in ridges], _Ridge._fields[:3], orient="row")
    return Fitted(predictions_of("tfidf-svd-ridge", "scores", data, parameters, by_seed), history)


def texts_of(questions: pl.DataFrame) -> pl.Series:
    """Return title and body of each question as one text (n,)."""
    return questions.select(pl.concat_str("title", "body", separator="\n")).to_series()


SCORE_SYSTEMS: dict[str, ScoreSystem] = {
    "mean": mean,
    "tfidf-svd-ridge": tfidf_svd_ridge,
}


class _Ridge(NamedTuple):
    seed: int
    alpha: float
    validation_rmse: float
    weights: np.ndarray  # float32 (terms,)
    intercept: float


def _ridges(
    fit: tuple[csr_matrix, np.ndarray], choose: tuple[csr_matrix, np.ndarray], parameters: ScoresTraditional, seed: int
) -> list[_Ridge]:
    """Fit a ridge regression for each penalty; `fit` and `choose` are terms (r, f) and scores (r,) of some rows."""
    terms, scores = fit
    if parameters.components >= min(terms.shape):
        size = f"{terms.shape[0]} training questions with {terms.shape[1]} terms"
        raise ValueError(f"parameter components: {parameters.components} is too many for {size}")
    progress.report("tfidf-svd-ridge", parameters.seeds.index(seed), len(parameters.seeds))
    svd = TruncatedSVD(parameters.components, random_state=seed)
    fitted, chosen_on, ridges = svd.fit_transform(terms), svd.transform(choose[0]), []
    for alpha in parameters.alphas:
        ridge = Ridge(alpha).fit(fitted, scores)
        weights = (ridge.coef_ @ svd.components_).astype(np.float32)
        ridges.append(_Ridge(seed, alpha, _rmse(choose[1], ridge.predict(chosen_on)), weights, float(ridge.intercept_)))
    progress.report("tfidf-svd-ridge", parameters.seeds.index(seed) + 1, len(parameters.seeds))
    return ridges


def _rmse(actual: np.ndarray, predicted: np.ndarray | float) -> float:
    return float(np.sqrt(np.mean((actual - predicted) ** 2)))
