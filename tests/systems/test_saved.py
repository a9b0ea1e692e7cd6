"""What a finished run has saved is found, whatever it is, and seeds become one prediction."""

import json

import numpy as np
import pytest
import torch

from stackstudy.models.mlp import BodyMLP
from stackstudy.models.saving import CLASSES, SavedModel, save_model
from stackstudy.models.targets import ScoreTarget
from stackstudy.params import ScoresTraditional, TagsBaselines
from stackstudy.systems.baselines import majority, tfidf_logistic
from stackstudy.systems.data import Data
from stackstudy.systems.linear_scores import mean
from stackstudy.systems.saved import SCORES, TAGS, load_system, saved_systems

ABOUT = {"profile": "smoke", "experiment": "11-tags-baselines", "seeds": (0,), "max_features": 50}


@pytest.fixture
def run(tmp_path):
    """A finished run with a network of two seeds."""
    torch.manual_seed(0)
    models = {seed: BodyMLP(16, (4,), 2, 0.0).eval() for seed in (3, 5)}
    save_model(SavedModel(models, {3: 0.2, 5: 0.6}, ("body",), ("a", "b"), "toy"), tmp_path / "model")
    (tmp_path / "params.yaml").write_text("name: tried\n")
    (tmp_path / "DONE").touch()
    return tmp_path


def test_seeds_are_averaged_and_so_are_their_thresholds(run, data):
    (system,) = saved_systems(run)
    assert (system.name, system.kind, system.labels, system.streams) == ("tried", "tags", ("a", "b"), ("body",))
    assert system.threshold == pytest.approx(0.4)
    by_seed = system.apply(data, np.arange(400))
    assert np.abs(by_seed[3] - by_seed[5]).max() > 0.01
    values = system.values(data)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, (by_seed[3] + by_seed[5]) / 2, atol=1e-6)


def test_a_run_may_hold_several_systems(data, tmp_path):
    parameters = TagsBaselines(**ABOUT, neighbours=(3,), inverse_penalties=(1.0,))
    for system in (tfidf_logistic, majority):
        system(data, parameters, tmp_path)
    (tmp_path / "DONE").touch()
    systems = saved_systems(tmp_path)
    assert [system.name for system in systems] == ["majority", "tfidf-logistic"]
    assert {system.values(data).shape for system in systems} == {(400, 5)}


def test_a_score_system_has_neither_labels_nor_thresholds(asked, tmp_path):
    trees = {"rounds": 1, "patience": 1, "max_depth": 1, "learning_rate": 1, "min_child_weight": 1, "subsample": 1}
    fields = ABOUT | trees | {"colsample_bytree": 1, "strata": None, "components": 1, "alphas": (1.0,)}
    mean(asked, ScoresTraditional(**fields), tmp_path)
    system = load_system(tmp_path / "model" / "mean", "mean")
    assert (system.kind, system.labels, system.thresholds) == ("scores", (), ())
    np.testing.assert_allclose(system.values(asked), asked.scores()[asked.rows("train")].mean(), rtol=1e-6)


def test_the_same_network_for_scores_is_told_from_one_for_tags(run, data):
    target = ScoreTarget(log=True, mean=1.0, deviation=0.0, low=0.0, high=9.0)
    network = {0: BodyMLP(16, (4,), 1, 0.0)}
    save_model(SavedModel(network, {}, ("body",), ("score",), "toy", vars(target)), run / "model")
    (system,) = saved_systems(run)
    assert system.kind == "scores"
    np.testing.assert_allclose(system.values(Data(data.questions, data.streams)), np.e - 1, rtol=1e-6)


def test_every_network_is_known_for_both():
    assert set(CLASSES) <= TAGS.keys() & SCORES.keys()


def test_what_is_no_run_with_a_system_is_named(run):
    (run / "model" / "model.json").rename(run / "model.json")
    with pytest.raises(FileNotFoundError, match="has no saved system in model/"):
        saved_systems(run)
    (run / "DONE").unlink()
    with pytest.raises(FileNotFoundError, match="is no finished run: it has no DONE"):
        saved_systems(run)


@pytest.mark.parametrize(("other", "message"), [({"class": "Oracle"}, "Oracle is not known"), ({}, "without a class")])
def test_a_system_of_another_version_is_named(run, other, message):
    path = run / "model" / "model.json"
    about = json.loads(path.read_text())
    del about["class"]
    path.write_text(json.dumps(about | other))
    with pytest.raises(ValueError, match=message):
        saved_systems(run)
