import json
from dataclasses import replace
from functools import partial

import numpy as np
import polars as pl
import pytest
from scipy.special import expit, logit

from stackstudy.evaluation.predictions import Predictions
from stackstudy.evaluation.thresholds import thresholds
from stackstudy.models.files import write_model
from stackstudy.params import TagsBaselines, TagsCombined
from stackstudy.questions.schema import row_hash
from stackstudy.systems.baselines import linear_probe, majority, tfidf_logistic
from stackstudy.systems.combined import corrected, mixture, per_label, seed_ensemble
from stackstudy.systems.data import fit
from stackstudy.systems.saved import load_system

TREES = {"rounds": 1, "patience": 1, "max_depth": 1, "learning_rate": 1, "min_child_weight": 1, "subsample": 1}
TREES |= {"colsample_bytree": 1}


@pytest.fixture
def parameters() -> TagsCombined:
    return TagsCombined(profile="smoke", experiment="16-tags-combined", seeds=(3, 4), **TREES)


@pytest.fixture
def combination(tmp_path):
    """The run folder of the combinations, in a folder of runs."""
    return tmp_path / "16-tags-combined"


def said(data, folder, name, strength, seeds=2, **about):
    """Return predictions of a system whose log-odds follow the labels with `strength`, and save a model of it."""
    rows, random = data.rows("validation", "test"), np.random.default_rng(sum(map(ord, name)))
    odds = strength * (2.0 * data.labels(rows) - 1) + 2 * random.normal(size=(seeds, rows.size, 5)) - 1
    run = folder.parent / f"13-{name}"
    (run / "model").mkdir(parents=True)
    write_model(run / "model", {"streams": ["body"]}, {"numbers": odds[0]})
    values = expit(odds).astype(np.float32)
    about = {"experiment": run.name} | about
    return Predictions(name, "tags", row_hash(data.questions), rows, np.arange(seeds), values, about)


def cross_entropy(data, predictions, split) -> float:
    rows = data.rows(split)
    values, truth = predictions.at(rows).mean(axis=0), data.labels(rows)
    return -np.log(np.where(truth, values, 1 - values)).mean()


def weights(fitted) -> dict[str, float]:
    return dict(fitted.history.select("system", "weight").iter_rows())


def test_seeds_are_joined_by_their_mean_log_odds_in_the_network_that_gains_most(data, combination, parameters):
    networks = [
        said(data, combination, name, strength) for name, strength in (("weak", 0.2), ("strong", 1), ("mid", 0.5))
    ]
    fitted = seed_ensemble(data, parameters, combination, networks)
    assert (fitted.predictions.system, fitted.predictions.seeds.tolist()) == ("seed-ensemble", [3])
    expected = expit(logit(networks[1].values.astype(np.float64)).mean(axis=0))
    np.testing.assert_allclose(fitted.predictions.values[0], expected, atol=1e-5)
    reached = dict(fitted.history.iter_rows())
    assert list(reached) == ["weak", "strong", "mid"]
    assert max(reached, key=reached.get) == "strong"
    about = json.loads((combination / "model" / "seed-ensemble" / "model.json").read_text())
    assert [member["system"] for member in about["members"]] == ["strong"]
    assert about["streams"] == ["body"]


def test_a_mixture_is_better_than_its_members(data, combination, parameters):
    members = [said(data, combination, name, 1.0, seeds=1) for name in ("one", "two", "three")]
    fitted = mixture(data, parameters, combination, members)
    for split in ("validation", "test"):
        assert cross_entropy(data, fitted.predictions, split) < min(
            cross_entropy(data, each, split) for each in members
        )
    assert min(weights(fitted).values()) > 0
    odds = sum(
        weight * logit(each.values[0].astype(np.float64))
        for weight, each in zip(weights(fitted).values(), members, strict=True)
    )
    shift = logit(fitted.predictions.values[0].astype(np.float64)) - odds
    np.testing.assert_allclose(shift, shift[0, 0], atol=1e-3)  # the offset


def test_what_has_nothing_to_say_or_says_the_opposite_gets_no_weight(data, combination, parameters):
    good, wrong = said(data, combination, "good", 2.0), said(data, combination, "wrong", -1.0)
    fitted = mixture(data, parameters, combination, [good, wrong])
    assert weights(fitted)["wrong"] == 0
    assert weights(fitted)["good"] > 0
    about = json.loads((combination / "model" / "mixture" / "model.json").read_text())
    assert [member["system"] for member in about["members"]] == ["good"]


def test_weights_follow_from_validation_rows_alone(data, combination, parameters):
    members = [said(data, combination, name, 1.0) for name in ("one", "two")]
    labels = data.labels()
    labels[data.rows("test", "train")] = ~labels[data.rows("test", "train")]
    other = replace(data, space=replace(data.space, labels=type(data.space.labels)(labels)))
    assert weights(mixture(data, parameters, combination, members)) == weights(
        mixture(other, parameters, combination, members)
    )


@pytest.mark.parametrize("system", [mixture, seed_ensemble])
def test_per_label_is_the_same_system_with_a_threshold_for_each(data, combination, parameters, system):
    before = system(data, parameters, combination, [said(data, combination, "one", 1.0)])
    after = fit(partial(per_label, fitted=before), data, parameters, combination)
    np.testing.assert_array_equal(after.predictions.values, before.predictions.values)
    assert after.predictions.system == f"{before.predictions.system}-per-label"
    assert json.loads((combination / "cost.json").read_text()).keys() == {after.predictions.system}
    about = json.loads((combination / "model" / after.predictions.system / "model.json").read_text())
    (expected,) = thresholds(after.predictions, data.questions, data.space.labels)
    np.testing.assert_allclose(about["thresholds"], [expected])
    assert np.ptp(expected) > 0
    (one,) = json.loads((combination / "model" / before.predictions.system / "model.json").read_text())["thresholds"]
    assert isinstance(one, float)


def test_saved_it_asks_its_members(compared, combination, parameters):
    run = combination.parent / "11-tags-baselines"
    about = {"profile": "smoke", "experiment": run.name, "seeds": (0,), "neighbours": (3,), "max_features": 50}
    chosen = TagsBaselines(**about, inverse_penalties=(1.0,))
    members = [each(compared, chosen, run).predictions for each in (majority, linear_probe, tfidf_logistic)]
    fitted = mixture(compared, parameters, combination, members)
    per_label(compared, parameters, combination, fitted)
    for name in ("mixture", "mixture-per-label"):
        saved = load_system(combination / "model" / name, name)
        rows = fitted.predictions.rows[::-1]
        found = saved.apply(compared.take(rows), np.arange(rows.size))
        np.testing.assert_allclose(found[3], fitted.predictions.values[0, ::-1], atol=1e-5)
    assert saved.threshold.shape == (5,)
    (run / "model" / "linear-probe" / "model.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match="linear-probe has changed since mixture was made with it"):
        load_system(combination / "model" / "mixture", "mixture")


def test_published_systems_and_those_of_other_questions_are_kept_out(data, combination):
    fair, published = said(data, combination, "one", 1.0), said(data, combination, "one-published", 1.0)
    assert corrected([published, fair], data) == [fair]
    with pytest.raises(ValueError, match="predictions of one were made for another question table"):
        corrected([fair], replace(data, questions=data.questions.with_columns(site=pl.lit("other"))))
