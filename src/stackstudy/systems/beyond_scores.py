"""Score systems that predict more than one number: an interval, whether and how much, a class.

All read what `vector_features` makes of the text, and neither age nor stratum. What they predict beside the score is
written as ``folder/extra/<system>.npz``.
"""

from pathlib import Path

import numpy as np
import polars as pl

from stackstudy.evaluation.extras import save_extras
from stackstudy.evaluation.score_classes import CLASSES, class_numbers, score_classes
from stackstudy.evaluation.scores import inverse_signed_log, signed_log
from stackstudy.params import ScoresBeyond
from stackstudy.systems.data import Data, Fitted, predictions_of
from stackstudy.systems.tree_scores import SQUARED, grow, vector_features

QUANTILES = (0.05, 0.5, 0.95)
POWERS = np.linspace(0, 1, 11)
LOGISTIC = {"objective": "binary:logistic"}


def quantile(data: Data, parameters: ScoresBeyond, folder: Path) -> Fitted:
    """Predict the median score, and the bounds low and high between which nine of ten scores should lie.

    Under pinball loss (Koenker & Bassett 1978) on the signed log: a quantile stays one on any rising scale. Scores are
    whole, and so are their quantiles: the bounds are rounded, and several scores at a bound make intervals too wide
    rather than too narrow.
    """
    features = vector_features(data)
    objective = {"objective": "reg:quantileerror", "quantile_alpha": list(QUANTILES)}
    trees, history = grow(features, signed_log(data.scores()), objective, data, parameters, "quantile")
    trees.save(folder / "model" / "quantile", {"quantiles": QUANTILES, "encoder": data.encoder})
    found = trees.predict(features[data.rows("validation", "test")])
    # Each quantile has trees of its own, which may cross.
    bounds = {seed: inverse_signed_log(np.sort(value, axis=1)) for seed, value in found.items()}
    middle = {seed: value[:, 1] for seed, value in bounds.items()}
    predictions = predictions_of("quantile", "scores", data, parameters, middle)
    low, _, high = np.rint(np.stack([*bounds.values()])).transpose(2, 0, 1)
    save_extras(folder, predictions, low=low, high=high)
    return Fitted(predictions, history, trees.nodes())


def two_part(data: Data, parameters: ScoresBeyond, folder: Path) -> Fitted:
    """Predict the mean score in two parts (Cragg 1971): is a question voted on at all, and what is its score if so.

    Extra: voted (a probability) and amount (the mean score of those voted on). The amount is learned on the signed log,
    and brought back as a mean by smearing (Duan 1983) with the errors on validation rows. A score of 0 counts as not
    voted on, since votes for and against are not known apart.
    """
    features, rows = vector_features(data), data.rows("validation", "test")
    voted = data.scores() != 0
    chances, history = grow(features, voted.astype(np.float32), LOGISTIC, data, parameters, "two-part, voted")
    chances.save(folder / "model" / "two-part-voted", {"encoder": data.encoder})
    share = chances.predict(features[rows])
    amount, more, size = _amounts(features, voted, data, parameters, folder)
    values = {seed: share[seed] * amount[seed] for seed in parameters.seeds}
    predictions = predictions_of("two-part", "scores", data, parameters, values)
    save_extras(folder, predictions, voted=np.stack([*share.values()]), amount=np.stack([*amount.values()]))
    parts = {"voted": history, "amount": more}
    named = [part.select(pl.lit(name).alias("part"), pl.all()) for name, part in parts.items() if len(part)]
    return Fitted(predictions, pl.concat(named), chances.nodes() + size)


def ordinal(data: Data, parameters: ScoresBeyond, folder: Path) -> Fitted:
    """Predict the class by one logistic output per boundary (Frank & Hall 2001): is the score above it?

    Extra: probabilities (s, m, 5) and classes (s, m). The class has the largest probability divided by a power of its
    share among training questions; the power with the best macro F1 on validation rows. The score predicted is that
    of the mean signed log that the class probabilities imply.
    """
    features, rows = vector_features(data), data.rows("validation", "test")
    classes, train = score_classes(data.scores()), data.rows("train")
    above = (classes[:, None] > np.arange(len(CLASSES) - 1)).astype(np.float32)
    trees, history = grow(features, above, LOGISTIC, data, parameters, "ordinal")
    probabilities = {seed: _between(value) for seed, value in trees.predict(features[rows]).items()}
    counts = np.bincount(classes[train], minlength=len(CLASSES))
    choice = np.searchsorted(rows, data.rows("validation")), classes[data.rows("validation")]
    powers = {seed: _power(value, counts, *choice) for seed, value in probabilities.items()}
    found = {seed: _decide(value, counts, powers[seed]) for seed, value in probabilities.items()}
    about = {"classes": CLASSES, "counts": counts.tolist(), "powers": [*powers.values()], "encoder": data.encoder}
    trees.save(folder / "model" / "ordinal", about)
    logs = np.bincount(classes[train], signed_log(data.scores())[train], len(CLASSES)) / np.maximum(counts, 1)
    scores = {seed: inverse_signed_log(value @ logs) for seed, value in probabilities.items()}
    predictions = predictions_of("ordinal", "scores", data, parameters, scores)
    arrays = {"probabilities": np.stack([*probabilities.values()]), "classes": np.stack([*found.values()])}
    save_extras(folder, predictions, **arrays)
    return Fitted(predictions, history, trees.nodes())


def _amounts(
    features: pl.DataFrame, voted: np.ndarray, data: Data, parameters: ScoresBeyond, folder: Path
) -> tuple[dict[int, np.ndarray], pl.DataFrame, int]:
    """Return by seed the mean score if voted on (m,), with the losses and the size of the trees that predict it."""
    rows, targets = data.rows("validation", "test"), signed_log(data.scores())
    if not voted[data.rows("train")].any():  # nothing to learn from: what is voted on has no known amount
        return dict.fromkeys(parameters.seeds, np.zeros(rows.size)), pl.DataFrame(), 0
    trees, history = grow(features, targets, SQUARED, data, parameters, "two-part, amount", among=voted)
    trees.save(folder / "model" / "two-part-amount", {"encoder": data.encoder})
    seen = np.flatnonzero(voted[rows] & np.isin(rows, data.rows("validation")))
    found = {seed: value.astype(np.float64) for seed, value in trees.predict(features[rows]).items()}
    means = {seed: _smeared(value, targets[rows[seen]] - value[seen]) for seed, value in found.items()}
    return means, history, trees.nodes()


def _smeared(predicted: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Return the mean score for predicted signed logs (n,), whose `errors` (r,) are drawn from those seen."""
    if not errors.size:
        return inverse_signed_log(predicted)
    return np.array([inverse_signed_log(each + errors).mean() for each in predicted])


def _between(above: np.ndarray) -> np.ndarray:
    """Return class probabilities (n, 5) from those of lying above each boundary (n, 4), which are made to fall."""
    falling = np.minimum.accumulate(above.astype(np.float64), axis=1)
    return -np.diff(falling, axis=1, prepend=1, append=0)


def _power(probabilities: np.ndarray, counts: np.ndarray, places: np.ndarray, classes: np.ndarray) -> float:
    """Return the power with the best macro F1 at `places` (v,), whose true classes are `classes` (v,)."""
    found = (_decide(probabilities[places], counts, power) for power in POWERS)
    return float(POWERS[np.argmax([class_numbers(classes, each)["f1_macro"] for each in found])])


def _decide(probabilities: np.ndarray, counts: np.ndarray, power: float) -> np.ndarray:
    """Return classes (n,); one that no training question has is never chosen."""
    weights = np.where(counts > 0, np.maximum(counts / counts.sum(), 1e-12) ** -power, 0)
    return (probabilities * weights).argmax(axis=1)
