"""The best that any system could reach on planted questions, in the same terms as the tables; nothing on real ones."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from scipy import sparse

from stackstudy.evaluation.predictions import rows_of
from stackstudy.evaluation.scores import signed_log
from stackstudy.questions.ingest import PLANTED
from stackstudy.questions.planted import Truth, ceiling_of, plant_with_truth
from stackstudy.runs.yaml_files import read_yaml
from stackstudy.tagspace.space import TagSpace


def tag_ceiling(run: Path, questions: pl.DataFrame, space: TagSpace) -> dict[str, float]:
    """Return the F1 (micro, macro, weighted) that can be expected at best on the test questions, label by label.

    `run` is the folder of the run that made the questions. Empty where they are not planted.
    """
    truth = _truth(run, questions)
    if truth is None:
        return {}
    best = ceiling_of(replace(truth, tags=space.names, posterior=label_posterior(truth, space)))
    return {"f1_micro": best.f1_micro, "f1_macro": best.f1_macro, "f1_weighted": best.f1_weighted}


def score_ceiling(run: Path, questions: pl.DataFrame) -> dict[str, float]:
    """Return the R2 (raw and signed log) that can be expected at best on the test questions; empty for real ones."""
    truth = _truth(run, questions)
    if truth is None:
        return {}
    best = ceiling_of(truth)
    return {"r2": best.r2, "r2_log": best.r2_signed_log}


def score_parts(run: Path, questions: pl.DataFrame, predicted: np.ndarray) -> dict[str, float]:
    """Return how predictions of the test scores (n,) correlate with the part that the text shows, and with the rest.

    Both on the signed-log scale: ``visible`` with E[score | text], ``hidden`` with what the score strays from it, which
    no system can know; ``chance`` bounds 95 % of the correlations of unrelated values. Empty for real questions and
    for a constant prediction.
    """
    truth, guess = _truth(run, questions), signed_log(predicted)
    if truth is None or np.ptp(guess) == 0:
        return {}
    actual = signed_log(questions["score"].to_numpy()[rows_of(questions, "test")])
    visible, hidden = (np.corrcoef(guess, part)[0, 1] for part in (truth.log_mean, actual - truth.log_mean))
    return {"visible": float(visible), "hidden": float(hidden), "chance": float(1.96 / np.sqrt(len(actual)))}


def label_posterior(truth: Truth, space: TagSpace) -> sparse.csr_array:
    """Return P(label | text) of each row, CSR (r, k): a label holds unless each of its tags is absent.

    Tags are taken as independent given the text, as they are drawn.
    """
    label_of = space.label_of
    known = [i for i, tag in enumerate(truth.tags) if tag in label_of]
    shape = (len(truth.tags), len(space.names))
    member = sparse.csr_array((np.ones(len(known)), (known, [label_of[truth.tags[i]] for i in known])), shape=shape)
    absent = sparse.csr_array(truth.posterior, dtype=np.float64)
    absent.data = np.log1p(-np.minimum(absent.data, 1 - 1e-12))
    posterior = sparse.csr_array(absent @ member)
    posterior.data = -np.expm1(posterior.data)
    return posterior


def _truth(run: Path, questions: pl.DataFrame) -> Truth | None:
    made: Mapping = read_yaml(run / "params.yaml")
    if made["source"] != PLANTED:
        return None
    return plant_with_truth(made["rows"], made["seed"])[1].take(rows_of(questions, "test"))
