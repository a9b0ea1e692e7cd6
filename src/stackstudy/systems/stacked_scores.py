"""Score systems that are weighted means of others, on the signed-log scale (stacked regressions; Breiman 1996).

Weights are 0 or more and add up to 1, and a constant is added: those with the least squared error on validation rows.
Members have been chosen by these rows, but not trained on them, and so few numbers cannot learn much of them by heart.
What a member predicted for validation and test rows is all that is read of it; a mean over its seeds stands for it.
Each writes ``folder/model/<system>``. History: system (the member), weight, and the member's own validation R2.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from scipy.optimize import minimize
from sklearn.metrics import r2_score

from stackstudy.evaluation.predictions import Predictions, check_comparable
from stackstudy.evaluation.score_tables import role
from stackstudy.evaluation.scores import inverse_signed_log, signed_log
from stackstudy.models.files import read_model, write_model
from stackstudy.params import ScoresStacked
from stackstudy.paths import replacing
from stackstudy.systems.data import Apply, Data, Fitted, predictions_of
from stackstudy.systems.members import described, found, streams

ROLES = {"stacked-log": ("text",), "stacked-controls-log": ("text", "controls", "both")}  # what members may read
TYPICAL = ("quantile", "ordinal")  # predict a score near the median, as systems that learned the log do
LEAST = 0.005  # a smaller weight is none


def members_of(system: str, predictions: Sequence[Predictions]) -> list[Predictions]:
    """Return what a stack may be made of: systems with its `ROLES` that learned the log scale, or the median.

    ValueError: there are none.
    """
    fair = [each for each in predictions if role(each.system) in ROLES[system] and _typical(each.system)]
    if not fair:
        raise ValueError(f"{system}: no system that learned the log scale is among those given")
    return fair


def stacked(
    system: str, data: Data, parameters: ScoresStacked, folder: Path, predictions: Sequence[Predictions]
) -> Fitted:
    """Predict the weighted mean of what `members_of` the stack predict.

    ValueError: others than scores of these questions are among the predictions, or there are no members.
    """
    check_comparable(predictions, "scores", data.questions)
    members = members_of(system, predictions)
    rows, validation = data.rows("validation", "test"), data.rows("validation")
    seen = np.column_stack([_mean_log(each.at(rows)) for each in members])
    chosen, actual = seen[np.isin(rows, validation)], signed_log(data.scores()[validation])
    weights, constant = convex_weights(chosen, actual)
    values = inverse_signed_log(seen @ weights + constant)
    fitted = predictions_of(system, "scores", data, parameters, {parameters.seeds[0]: values})
    _save(fitted, members, weights, constant, data, folder)
    reached = [r2_score(actual, column) for column in chosen.T]
    history = pl.DataFrame(
        {"system": [each.system for each in members], "weight": weights, "validation_r2_log": reached}
    )
    return Fitted(fitted, history, weights.size + 1)


def convex_weights(values: np.ndarray, actual: np.ndarray) -> tuple[np.ndarray, float]:
    """Return weights (m,) of 0 or more with the sum 1, and a constant, for values (n, m) of what should be `actual`.

    They have the least squared error; weights under `LEAST` are dropped, and the others raised to the sum 1.
    """
    centred, target = values - values.mean(axis=0), actual - actual.mean()
    products, right = centred.T @ centred / len(actual), centred.T @ target / len(actual)
    count = values.shape[1]
    found = minimize(
        lambda w: w @ products @ w - 2 * w @ right,
        np.full(count, 1 / count),
        jac=lambda w: 2 * (products @ w - right),
        method="SLSQP",
        bounds=[(0, 1)] * count,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like},
        options={"ftol": 1e-10},
    ).x
    weights = np.where(found < LEAST, 0, found)
    weights /= weights.sum()
    return weights, float(actual.mean() - values.mean(axis=0) @ weights)


SYSTEMS: dict[str, Callable[..., Fitted]] = {name: partial(stacked, name) for name in ROLES}


def weight_numbers(weights: pl.DataFrame) -> dict[str, dict[str, float]]:
    """Return, for each stack, the weight of each member that has one, from the columns stack, system and weight."""
    numbers: dict[str, dict[str, float]] = {}
    for row in weights.filter(pl.col("weight") > 0).to_dicts():
        numbers.setdefault(row["stack"].replace("-", "_"), {})[row["system"].replace("-", "_")] = row["weight"]
    return numbers


def load(folder: Path) -> Apply:
    """Return a saved stack as a function of any questions; its members are in the runs beside its own.

    FileNotFoundError, ValueError: a member is not there, has changed, or cannot be used on new questions.
    """
    from stackstudy.systems.saved import load_system  # which knows this module too

    about, arrays = read_model(folder)
    (seed,) = about["seeds"]
    systems = [load_system(found(folder, member), member["system"]) for member in about["members"]]

    def apply(data: Data, rows: np.ndarray) -> dict[int, np.ndarray]:
        seen = [_mean_log(np.stack([*each.apply(data, rows).values()])) for each in systems]
        return {seed: inverse_signed_log(np.column_stack(seen) @ arrays["weights"] + about["constant"])}

    return apply


def _typical(system: str) -> bool:
    return system in TYPICAL or bool({"log", "median"} & set(system.split("-")))


def _mean_log(values: np.ndarray) -> np.ndarray:
    """Return the mean over seeds of the signed logs of scores (s, n): float64 (n,)."""
    return signed_log(values).mean(axis=0)


def _save(
    fitted: Predictions,
    members: Sequence[Predictions],
    weights: np.ndarray,
    constant: float,
    data: Data,
    folder: Path,
) -> None:
    used = np.flatnonzero(weights)
    runs = {members[i].system: folder.parent / members[i].parameters["experiment"] for i in used}
    about = {
        "class": "Stacked",
        "members": [described(run, name) for name, run in runs.items()],
        "constant": constant,
        "seeds": fitted.seeds.tolist(),
        "streams": sorted({stream for name, run in runs.items() for stream in streams(run, name)}),
        "encoder": data.encoder,
    }
    with replacing(folder / "model" / fitted.system) as fresh:
        fresh.mkdir()
        write_model(fresh, about, {"weights": weights[used]})
