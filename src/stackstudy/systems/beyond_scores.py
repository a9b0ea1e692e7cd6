"""Score systems that predict more than one number: an interval, whether and how much, a class.

All read what `vector_features` makes of the text, and neither age nor stratum. What they predict beside the score is
written as ``folder/extra/<system>.npz``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl

from stackstudy.evaluation.extras import save_extras
from stackstudy.evaluation.score_classes import CLASSES, class_numbers, score_classes
from stackstudy.evaluation.scores import inverse_signed_log, signed_log
from stackstudy.models.boosting import Trees
from stackstudy.models.files import read_model
from stackstudy.params import ScoresBeyond
from stackstudy.systems.data import Apply, Data, Fitted, predictions_of
from stackstudy.systems.tree_features import vector_features
from stackstudy.systems.tree_scores import SQUARED, Grown, grow

QUANTILES = (0.05, 0.5, 0.95)
POWERS = np.linspace(0, 1, 11)
LOGISTIC = {"objective": "binary:logistic"}
AMOUNT = "amount"  # folder of the second part


def quantile(data: Data, parameters: ScoresBeyond, folder: Path) -> Fitted:
    """Predict the median score, and the bounds low and high between which nine of ten scores should lie.

    Under pinball loss (Koenker & Bassett 1978) on the signed log: a quantile stays one on any rising scale. Scores are
    whole, and so are their quantiles: the bounds are rounded, and several scores at a bound make intervals too wide
    rather than too narrow.
    """
    seen = vector_features(data)
    objective = {"objective": "reg:quantileerror", "quantile_alpha": list(QUANTILES)}
    grown, history = grow(seen, signed_log(data.scores()), objective, data, parameters, "quantile")
    about = {"class": "Quantile", "quantiles": QUANTILES, "encoder": data.encoder}
    grown.save(folder / "model" / "quantile", about)
    found = grown.trees.predict(seen[0][data.rows("validation", "test")])
    predictions = predictions_of("quantile", "scores", data, parameters, _medians(found))
    low, _, high = np.rint(np.stack([_bounds(value) for value in found.values()])).transpose(2, 0, 1)
    save_extras(folder, predictions, low=low, high=high)
    return Fitted(predictions, history, grown.trees.nodes())


def two_part(data: Data, parameters: ScoresBeyond, folder: Path) -> Fitted:
    """Predict the mean score in two parts (Cragg 1971): is a question voted on at all, and what is its score if so.

    Extra: voted (a probability) and amount (the mean score of those voted on). The amount is learned on the signed log,
    and brought back as a mean by smearing (Duan 1983) with the errors on validation rows. A score of 0 counts as not
    voted on, since votes for and against are not known apart.
    """
    seen, voted, place = vector_features(data), data.scores() != 0, folder / "model" / "two-part"
    chances, history = grow(seen, voted.astype(np.float32), LOGISTIC, data, parameters, "two-part, voted")
    chances.save(place, {"class": "TwoPart", "encoder": data.encoder})
    amounts, histories, size = None, {"voted": history}, chances.trees.nodes()
    if voted[data.rows("train")].any():
        grown, histories["amount"] = grow(
            seen, signed_log(data.scores()), SQUARED, data, parameters, "two-part, amount", among=voted
        )
        amounts = _Amounts(grown.trees, _errors(grown.trees, seen[0], voted, data))
        amounts.save(place / AMOUNT)
        size += grown.trees.nodes()
    frame = seen[0][data.rows("validation", "test")]
    share, amount = chances.trees.predict(frame), _amounts(amounts, frame, parameters.seeds)
    predictions = predictions_of("two-part", "scores", data, parameters, _products(share, amount))
    save_extras(folder, predictions, voted=np.stack([*share.values()]), amount=np.stack([*amount.values()]))
    named = [part.select(pl.lit(name).alias("part"), pl.all()) for name, part in histories.items()]
    return Fitted(predictions, pl.concat(named), size)


def ordinal(data: Data, parameters: ScoresBeyond, folder: Path) -> Fitted:
    """Predict the class by one logistic output per boundary (Frank & Hall 2001): is the score above it?

    Extra: probabilities (s, m, 5) and classes (s, m). The class has the largest probability divided by a power of its
    share among training questions; the power with the best macro F1 on validation rows. The score predicted is that
    of the mean signed log that the class probabilities imply.
    """
    seen, rows = vector_features(data), data.rows("validation", "test")
    classes, train = score_classes(data.scores()), data.rows("train")
    above = (classes[:, None] > np.arange(len(CLASSES) - 1)).astype(np.float32)
    grown, history = grow(seen, above, LOGISTIC, data, parameters, "ordinal")
    outputs = grown.trees.predict(seen[0][rows])
    probabilities = {seed: _between(value) for seed, value in outputs.items()}
    counts = np.bincount(classes[train], minlength=len(CLASSES))
    choice = np.searchsorted(rows, data.rows("validation")), classes[data.rows("validation")]
    powers = {seed: _power(value, counts, *choice) for seed, value in probabilities.items()}
    found = {seed: _decide(value, counts, powers[seed]) for seed, value in probabilities.items()}
    logs = np.bincount(classes[train], signed_log(data.scores())[train], len(CLASSES)) / np.maximum(counts, 1)
    about = {"class": "Ordinal", "classes": CLASSES, "counts": counts.tolist(), "powers": [*powers.values()]}
    grown.save(folder / "model" / "ordinal", about | {"logs": logs.tolist(), "encoder": data.encoder})
    predictions = predictions_of("ordinal", "scores", data, parameters, _typical(outputs, logs))
    arrays = {"probabilities": np.stack([*probabilities.values()]), "classes": np.stack([*found.values()])}
    save_extras(folder, predictions, **arrays)
    return Fitted(predictions, history, grown.trees.nodes())


def load(folder: Path) -> Apply:
    """Return a saved system of this module as a function of any questions."""
    about, _ = read_model(folder)
    grown = Grown.load(folder)
    amounts = _Amounts.load(folder / AMOUNT) if (folder / AMOUNT).exists() else None

    def apply(data: Data, rows: np.ndarray) -> dict[int, np.ndarray]:
        frame = grown.features.of(data, rows)
        outputs = grown.trees.predict(frame)
        match about["class"]:
            case "Quantile":
                return _medians(outputs)
            case "TwoPart":
                return _products(outputs, _amounts(amounts, frame, about["seeds"]))
            case "Ordinal":
                return _typical(outputs, np.array(about["logs"]))

    return apply


@dataclass(frozen=True, eq=False)
class _Amounts:
    """The mean score of questions that are voted on, learned as signed logs."""

    trees: Trees
    errors: np.ndarray  # (s, r): those seen on validation rows

    def predict(self, frame: pl.DataFrame) -> dict[int, np.ndarray]:
        """Return the mean scores (n,) by seed for features (n, f)."""
        found = self.trees.predict(frame)
        return {seed: _smeared(found[seed], errors) for seed, errors in zip(found, self.errors, strict=True)}

    def save(self, folder: Path) -> None:
        self.trees.save(folder, {}, {"errors": self.errors})

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls(Trees.load(folder), read_model(folder)[1]["errors"])


def _amounts(amounts: _Amounts | None, frame: pl.DataFrame, seeds: Sequence[int]) -> dict[int, np.ndarray]:
    """Return the mean scores (n,) by seed; 0 where no training question was voted on, and no amount is known."""
    return amounts.predict(frame) if amounts else dict.fromkeys(seeds, np.zeros(len(frame)))


def _errors(trees: Trees, frame: pl.DataFrame, voted: np.ndarray, data: Data) -> np.ndarray:
    """Return by how much trees miss the signed logs of the validation rows that are voted on: (s, r)."""
    rows = data.rows("validation")
    actual = signed_log(data.scores()[rows])
    return np.stack([(actual - value)[voted[rows]] for value in trees.predict(frame[rows]).values()])


def _products(share: Mapping[int, np.ndarray], amount: Mapping[int, np.ndarray]) -> dict[int, np.ndarray]:
    return {seed: share[seed] * amount[seed] for seed in share}


def _bounds(outputs: np.ndarray) -> np.ndarray:
    """Return the quantiles of scores (n, 3); each has trees of its own, and these may cross."""
    return inverse_signed_log(np.sort(outputs, axis=1))


def _medians(outputs: Mapping[int, np.ndarray]) -> dict[int, np.ndarray]:
    return {seed: _bounds(values)[:, 1] for seed, values in outputs.items()}


def _typical(outputs: Mapping[int, np.ndarray], logs: np.ndarray) -> dict[int, np.ndarray]:
    """Return the scores (n,) by seed of the mean signed log, where a class has the one in `logs` (5,)."""
    return {seed: inverse_signed_log(_between(values) @ logs) for seed, values in outputs.items()}


def _smeared(predicted: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Return the mean score for predicted signed logs (n,), whose `errors` (r,) are drawn from those seen."""
    if not errors.size:
        return inverse_signed_log(predicted)
    return np.array([inverse_signed_log(each + errors).mean() for each in predicted.astype(np.float64)])


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
