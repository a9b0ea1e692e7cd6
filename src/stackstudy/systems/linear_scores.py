"""Score systems without trees or networks: the mean, and linear models of words.

All penalise the squared weights; each penalty of `alphas` is tried, in the units of ridge regression (for n training
questions, 1 / alpha is C of a support vector machine, and alpha / n the penalty of stochastic gradient descent).
The best on validation rows is taken. History: seed, alpha and the validation RMSE, of the signed log where that is
the target.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from sklearn.linear_model import Ridge, SGDRegressor
from sklearn.svm import LinearSVR

from stackstudy.evaluation.scores import signed_log
from stackstudy.models.files import read_model, write_model
from stackstudy.models.targets import ScoreTarget
from stackstudy.models.text import TextRegressor
from stackstudy.params import ScoresTraditional
from stackstudy.paths import replacing
from stackstudy.runs import progress
from stackstudy.systems.data import Apply, Data, Fitted, predictions_of
from stackstudy.systems.terms import Terms, Weighting, components_of, terms_of, texts_of

EPOCHS = 50
Make = Callable[[float, int], Ridge | SGDRegressor | LinearSVR]  # from penalty and seed


def mean(data: Data, parameters: ScoresTraditional, folder: Path) -> Fitted:
    """Predict the mean of the training scores for every question."""
    return _constant(_Task("mean", data, parameters, folder))


def mean_log(data: Data, parameters: ScoresTraditional, folder: Path) -> Fitted:
    """Predict the score whose signed log is the mean of the training questions, for every question."""
    return _constant(_Task("mean-log", data, parameters, folder, log=True))


def bow_ridge(data: Data, parameters: ScoresTraditional, folder: Path) -> Fitted:
    """Predict the raw score by ridge regression on word counts."""
    return _on_terms(_Task("bow-ridge", data, parameters, folder), "counts", _ridge)


def tfidf_ridge(data: Data, parameters: ScoresTraditional, folder: Path) -> Fitted:
    """Predict the raw score by ridge regression on the TF-IDF of words and pairs of words."""
    return _on_terms(_Task("tfidf-ridge", data, parameters, folder), "tfidf", _ridge)


def tfidf_stem_ridge(data: Data, parameters: ScoresTraditional, folder: Path) -> Fitted:
    """As `tfidf_ridge`, on the stems of words."""
    return _on_terms(_Task("tfidf-stem-ridge", data, parameters, folder), "stems", _ridge)


def log_linear_svr(data: Data, parameters: ScoresTraditional, folder: Path) -> Fitted:
    """Predict the signed log of the score by a linear support vector machine (absolute error) on TF-IDF."""

    def make(alpha: float, seed: int) -> LinearSVR:
        return LinearSVR(C=1 / alpha, random_state=seed, max_iter=10_000, tol=1e-3)

    return _on_terms(_Task("log-linear-svr", data, parameters, folder, log=True), "tfidf", make)


def log_sgd(data: Data, parameters: ScoresTraditional, folder: Path) -> Fitted:
    """Predict the signed log of the score by stochastic gradient descent (squared error) on TF-IDF; uses all seeds."""
    rows = data.rows("train").size

    def make(alpha: float, seed: int) -> SGDRegressor:
        return SGDRegressor(alpha=alpha / rows, eta0=0.1, max_iter=EPOCHS, tol=None, random_state=seed)

    return _on_terms(_Task("log-sgd", data, parameters, folder, log=True), "tfidf", make, parameters.seeds)


def tfidf_svd_ridge(data: Data, parameters: ScoresTraditional, folder: Path) -> Fitted:
    """Predict the raw score by ridge regression on truncated SVD components of the TF-IDF; seeds are the SVD's.

    ValueError: more components than training questions or terms.
    """
    task, tries = _Task("tfidf-svd-ridge", data, parameters, folder), []
    for seed in parameters.seeds:
        features, model = components_of(data, parameters.max_features, parameters.components, seed)
        found = _try_all(task, features, _ridge, [seed])
        tries += [each._replace(weights=(each.weights @ model.weights).astype(np.float32)) for each in found]
    return _fitted(task, terms_of(data, "tfidf", parameters.max_features), tries, parameters.components + 1)


def load(folder: Path) -> Apply:
    """Return a saved system of this module as a function of any questions."""
    about, _ = read_model(folder)
    target = ScoreTarget(**about["target"])

    def apply(data: Data, rows: np.ndarray) -> dict[int, np.ndarray]:
        if about["class"] == "Constant":
            outputs = np.full((1, rows.size), about["value"])
        else:
            outputs = TextRegressor.load(folder).predict(texts_of(data.questions[rows]))
        return _scores(about["seeds"], outputs, target)

    return apply


@dataclass(frozen=True)
class _Task:
    system: str
    data: Data
    parameters: ScoresTraditional
    folder: Path
    log: bool = False  # the target is the signed log

    @cached_property
    def targets(self) -> np.ndarray:
        return signed_log(self.data.scores()) if self.log else self.data.scores()

    @property
    def train(self) -> np.ndarray:
        return self.targets[self.data.rows("train")]

    @cached_property
    def target(self) -> ScoreTarget:
        return ScoreTarget.plain(self.data.scores()[self.data.rows("train")], self.log)

    def error(self, outputs: np.ndarray) -> float:
        """Return the root mean squared error of the outputs (v,) for the validation rows."""
        errors = self.targets[self.data.rows("validation")] - self.target.values(outputs)
        return float(np.sqrt(np.mean(errors**2)))

    def about(self, kind: str, seeds: Sequence[int]) -> dict[str, Any]:
        """Return what is to be known of a model besides its numbers."""
        about = {"class": kind, "seeds": list(seeds), "target": asdict(self.target)}
        return about | {"streams": [], "encoder": self.data.encoder}

    def fitted(
        self, seeds: Sequence[int], outputs: np.ndarray, tries: list[tuple[int, float | None, float]], size: int
    ) -> Fitted:
        """Return predictions from the `outputs` (s, m) for the validation and test rows, and what was tried."""
        scores = _scores(seeds, outputs, self.target)
        names = {"seed": pl.Int64, "alpha": pl.Float64, f"validation_rmse{'_log' * self.log}": pl.Float64}
        history = pl.DataFrame(tries, names, orient="row")
        return Fitted(predictions_of(self.system, "scores", self.data, self.parameters, scores), history, size)


class _Try(NamedTuple):
    seed: int
    alpha: float
    error: float
    weights: np.ndarray  # float32 (f,)
    intercept: float


def _constant(task: _Task) -> Fitted:
    """Predict the mean of the training targets; seeds make no difference, and the first is named."""
    average, seed = float(task.train.mean()), task.parameters.seeds[0]
    with replacing(task.folder / "model" / task.system) as fresh:
        fresh.mkdir()
        write_model(fresh, task.about("Constant", [seed]) | {"value": average}, {})
    outputs = np.full((1, task.data.rows("validation", "test").size), average)
    return task.fitted([seed], outputs, [(seed, None, task.error(average))], 1)


def _scores(seeds: Sequence[int], outputs: np.ndarray, target: ScoreTarget) -> dict[int, np.ndarray]:
    """Return scores (n,) by seed from outputs (s, n)."""
    return {seed: target.scores(values) for seed, values in zip(seeds, outputs, strict=True)}


def _ridge(alpha: float, _seed: int) -> Ridge:
    return Ridge(alpha)


def _on_terms(task: _Task, weighting: Weighting, make: Make, seeds: Sequence[int] = ()) -> Fitted:
    """Fit on the terms themselves; without `seeds` the model does not depend on them, and the first is named."""
    terms = terms_of(task.data, weighting, task.parameters.max_features)
    tries = _try_all(task, terms.values, make, seeds or task.parameters.seeds[:1])
    return _fitted(task, terms, tries, terms.values.shape[1] + 1)


def _try_all(task: _Task, features: np.ndarray, make: Make, seeds: Sequence[int]) -> list[_Try]:
    """Fit each penalty for each seed on features (n, f), dense or sparse."""
    fit, choose = features[task.data.rows("train")], features[task.data.rows("validation")]
    alphas, tries = task.parameters.alphas, []
    for seed in seeds:
        for done, alpha in enumerate(alphas, 1):
            model = make(alpha, seed).fit(fit, task.train)
            weights, intercept = np.ravel(model.coef_).astype(np.float32), float(np.ravel(model.intercept_)[0])
            tries.append(_Try(seed, alpha, task.error(model.predict(choose)), weights, intercept))
            progress.report(f"{task.system}, seed {seed}", done, len(alphas))
    return tries


def _fitted(task: _Task, terms: Terms, tries: list[_Try], size: int) -> Fitted:
    """Save the best of what was tried with each seed, and predict by it."""
    seeds = list(dict.fromkeys(each.seed for each in tries))
    best = [min((each for each in tries if each.seed == seed), key=lambda each: each.error) for seed in seeds]
    model = TextRegressor(terms.vectorizer, np.stack([b.weights for b in best]), np.array([b.intercept for b in best]))
    model.save(task.folder / "model" / task.system, task.about("Linear", seeds))
    outputs = model.outputs(terms.values[task.data.rows("validation", "test")])
    return task.fitted(seeds, outputs, [each[:3] for each in tries], size)
