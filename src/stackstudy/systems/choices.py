"""Deterministic tag systems with one setting, that is chosen on validation rows: they run for the first seed only.

Their history is what was tried: seed, setting (null where there was no choice) and validation_f1_micro at the threshold
that is best for it.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from stackstudy.evaluation.tags import best_micro_f1
from stackstudy.params import TagSystem
from stackstudy.systems.data import Fitted, TagData, about_tags, predictions_of


class Try(NamedTuple):
    """A setting, and what it predicts."""

    setting: float | None
    probabilities: np.ndarray  # (m, k) of the validation and test rows


def best_of(system: str, data: TagData, parameters: TagSystem, tries: Sequence[Try], size: int) -> Fitted:
    """Return the predictions of the best of what was tried; the first of equals."""
    seed, reached = parameters.seeds[0], [validation_f1(data, each.probabilities) for each in tries]
    history = pl.DataFrame(
        {"seed": seed, "setting": [each.setting for each in tries], "validation_f1_micro": reached},
        schema_overrides={"setting": pl.Float64},
    )
    values = {seed: tries[int(np.argmax(reached))].probabilities}
    return Fitted(predictions_of(system, "tags", data, parameters, values), history, size)


def chosen(fitted: Fitted) -> float | None:
    """Return the setting with the best validation F1; the first of equals."""
    return fitted.history["setting"][fitted.history["validation_f1_micro"].arg_max()]


def about_choice(fitted: Fitted, data: TagData, streams: Sequence[str]) -> dict[str, Any]:
    """Return what is needed of a system besides its numbers to use it on new questions; its name is its class."""
    predictions = fitted.predictions
    return {"class": predictions.system, "setting": chosen(fitted), **about_tags(predictions, data, streams)}


def validation_f1(data: TagData, probabilities: np.ndarray) -> float:
    """Return micro F1 on validation rows at the threshold that is best for it.

    `probabilities` (m, k) are those of the validation and test rows.
    """
    rows = data.rows("validation")
    values = probabilities[np.searchsorted(data.rows("validation", "test"), rows)].astype(np.float32)
    return best_micro_f1(values, data.labels(rows))
