"""Tag systems that are sums of other systems: their log-odds, means over seeds, with a weight each.

Each writes ``folder/model/<system>``. What a member predicted for validation and test rows is all that is read of it.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from scipy.optimize import minimize
from scipy.special import expit

from stackstudy.evaluation.calibration import log_odds
from stackstudy.evaluation.predictions import Predictions, check_comparable
from stackstudy.evaluation.tables import PER_LABEL, PUBLISHED
from stackstudy.evaluation.thresholds import thresholds
from stackstudy.models.files import read_model, write_model
from stackstudy.params import TagsCombined
from stackstudy.paths import replacing
from stackstudy.systems.choices import validation_f1
from stackstudy.systems.data import Apply, Data, Fitted, TagData, about_tags, predictions_of
from stackstudy.systems.members import described, found, streams


def corrected(predictions: Sequence[Predictions], data: TagData) -> list[Predictions]:
    """Return those under the corrected protocol. ValueError: others than tags of these questions are among them."""
    check_comparable(predictions, "tags", data.questions)
    return [each for each in predictions if not each.system.endswith(PUBLISHED)]


def seed_ensemble(data: TagData, parameters: TagsCombined, folder: Path, networks: Sequence[Predictions]) -> Fitted:
    """Predict by all seeds of one network together: the one that does so best on validation rows, in micro F1.

    The history says how each does: system and validation_f1_micro.
    """
    reached = [validation_f1(data, expit(_log_odds(each))) for each in networks]
    history = pl.DataFrame({"system": [each.system for each in networks], "validation_f1_micro": reached})
    best = networks[int(np.argmax(reached))]
    return _combined("seed-ensemble", [best], np.array([1.0, 0.0]), history, data, parameters, folder)


def mixture(data: TagData, parameters: TagsCombined, folder: Path, members: Sequence[Predictions]) -> Fitted:
    """Predict by a sum of members with weights of 0 or more, the same for all labels.

    Weights and offset are those with the lowest cross-entropy on validation rows: a logarithmic opinion pool (Genest
    and Zidek 1986, section 3). The history names the members and their weights.
    """
    odds = np.stack([_log_odds(each) for each in members], axis=2)
    validation = np.isin(data.rows("validation", "test"), data.rows("validation"))
    weights = _weights(odds[validation], data.labels(data.rows("validation")))
    history = pl.DataFrame({"system": [each.system for each in members], "weight": weights[:-1]})
    used = np.flatnonzero(weights[:-1] > 0)
    kept = weights[[*used, -1]]
    return _combined("mixture", [members[place] for place in used], kept, history, data, parameters, folder)


def per_label(data: TagData, parameters: TagsCombined, folder: Path, fitted: Fitted) -> Fitted:
    """Return a system again, as one of its own that has a threshold for each label."""
    before = fitted.predictions
    again = replace(
        before, system=before.system + PER_LABEL, parameters=before.parameters | {"threshold_rule": "per-label"}
    )
    with replacing(folder / "model" / again.system) as fresh:
        shutil.copytree(folder / "model" / before.system, fresh)
        about = json.loads((fresh / "model.json").read_text(encoding="utf-8"))
        about["thresholds"] = [cut.tolist() for cut in thresholds(again, data.questions, data.space.labels)]
        (fresh / "model.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return replace(fitted, predictions=again)


def load(folder: Path) -> Apply:
    """Return a saved sum of systems as a function of any questions; these are in the runs beside its own.

    FileNotFoundError, ValueError: a member is not there, has changed, or cannot be used on new questions.
    """
    from stackstudy.systems.saved import load_system  # which knows this module too

    about, arrays = read_model(folder)
    (seed,) = about["seeds"]
    systems = [load_system(found(folder, member), member["system"]) for member in about["members"]]

    def apply(data: Data, rows: np.ndarray) -> dict[int, np.ndarray]:
        odds = np.stack([_mean_log_odds([*each.apply(data, rows).values()]) for each in systems], axis=2)
        return {seed: _sum(odds, arrays["weights"])}

    return apply


def _combined(
    system: str,
    members: Sequence[Predictions],
    weights: np.ndarray,
    history: pl.DataFrame,
    data: TagData,
    parameters: TagsCombined,
    folder: Path,
) -> Fitted:
    """Return and save the sum of `members` with `weights` (m + 1,), the offset being last."""
    values = _sum(np.stack([_log_odds(each) for each in members], axis=2), weights)
    predictions = predictions_of(system, "tags", data, parameters, {parameters.seeds[0]: values})
    runs = {each.system: folder.parent / each.parameters["experiment"] for each in members}
    about = {"class": "Mixture", "members": [described(run, name) for name, run in runs.items()]}
    read = sorted({stream for name, run in runs.items() for stream in streams(run, name)})
    with replacing(folder / "model" / system) as fresh:
        fresh.mkdir()
        write_model(fresh, about | about_tags(predictions, data, read), {"weights": weights})
    return Fitted(predictions, history, weights.size)


def _log_odds(predictions: Predictions) -> np.ndarray:
    """Return the mean log-odds over seeds of all rows of a system: (m, k)."""
    return _mean_log_odds(predictions.values)


def _mean_log_odds(seeds: Sequence[np.ndarray]) -> np.ndarray:
    return np.mean([log_odds(each) for each in seeds], axis=0)


def _sum(odds: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return probabilities (n, k) for log-odds (n, k, m) of members and `weights` (m + 1,)."""
    return expit(odds @ weights[:-1] + weights[-1]).astype(np.float32)


def _weights(odds: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return weights and offset (m + 1,) with the lowest cross-entropy for log-odds (n, k, m) and labels (n, k)."""
    features = np.column_stack([odds.reshape(labels.size, -1), np.ones(labels.size)])
    targets = labels.ravel()

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        sums = features @ weights
        return np.mean(np.logaddexp(0, sums) - targets * sums), features.T @ (expit(sums) - targets) / targets.size

    count = odds.shape[2]
    start = np.append(np.full(count, 1 / count), 0)
    return minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[*[(0, None)] * count, (None, None)]).x
