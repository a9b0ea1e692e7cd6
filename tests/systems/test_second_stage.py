from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from stackstudy.evaluation.tables import tag_systems
from stackstudy.params import TagsCombined, TagsKernels
from stackstudy.systems import second_stage
from stackstudy.systems.kernels import KERNELS, SYSTEMS, KernelTagger, left_out
from stackstudy.systems.saved import load_system
from stackstudy.systems.second_stage import FEATURES, Pairs

TREES = {"rounds": 30, "patience": 5, "max_depth": 3, "learning_rate": 0.3, "min_child_weight": 5}
TREES |= {"subsample": 0.8, "colsample_bytree": 0.6, "seeds": (3, 4)}


def run_kernels(data, run):
    fields = {"profile": "smoke", "experiment": run.name, "seeds": (0,), "penalties": (0.1,)}
    for system in SYSTEMS.values():
        system(data, TagsKernels(**fields), run)
    return run


def fit(data, runs):
    parameters = TagsCombined(profile="smoke", experiment="16-tags-combined", **TREES)
    return second_stage.second_stage(data, parameters, runs / "16-tags-combined", runs / "15-tags-kernels")


@pytest.fixture
def runs(compared, tmp_path):
    run_kernels(compared, tmp_path / "15-tags-kernels")
    return tmp_path


@pytest.fixture
def taggers(runs):
    return {name: KernelTagger.load(runs / "15-tags-kernels" / "model" / name) for name in KERNELS}


def test_it_learns_what_the_kernels_know_and_is_saved(compared, runs):
    fitted = fit(compared, runs)
    predictions = fitted.predictions
    points = [
        each.point() for each in tag_systems([predictions], compared.questions, compared.space.labels)["second-stage"]
    ]
    assert min(point["f1_micro"] for point in points) > 0.95
    assert (predictions.system, predictions.seeds.tolist()) == ("second-stage", [3, 4])
    assert fitted.history.columns == ["seed", "round", "train_loss", "validation_loss"]
    saved = load_system(runs / "16-tags-combined" / "model" / "second-stage", "second-stage")
    assert saved.streams == ("title", "body")
    rows = predictions.rows[::-1]
    for data, places in ((compared, rows), (compared.take(rows), np.arange(rows.size))):
        for seed, values in saved.apply(data, places).items():
            np.testing.assert_allclose(values, predictions.values[predictions.seeds == seed][0, ::-1], atol=1e-4)


def test_of_training_questions_it_sees_what_left_out_kernels_say(compared, runs, monkeypatch):
    seen = []
    monkeypatch.setattr(second_stage, "boost", lambda train, *_: seen.append(train) or (_ for _ in ()).throw(KeyError))
    with pytest.raises(KeyError):
        fit(compared, runs)
    for column, name in enumerate(KERNELS):
        held = left_out(runs / "15-tags-kernels", name)
        np.testing.assert_allclose(seen[0].features[:, column], held.ravel(), atol=1e-6)
    np.testing.assert_array_equal(seen[0].targets, compared.labels(compared.rows("train")).ravel())


def test_test_labels_are_not_looked_at(compared, tmp_path):
    labels = compared.labels()
    labels[compared.rows("test")] = ~labels[compared.rows("test")]
    other = replace(compared, space=replace(compared.space, labels=csr_array(labels)))
    for data, runs in ((compared, tmp_path / "a"), (other, tmp_path / "b")):
        run_kernels(data, runs / "15-tags-kernels")
    first, second = fit(compared, tmp_path / "a"), fit(other, tmp_path / "b")
    np.testing.assert_array_equal(first.predictions.values, second.predictions.values)


def test_features_of_a_pair_say_what_they_are_called(compared, taggers):
    rows, pairs = compared.rows("test"), Pairs.learn(compared, taggers)
    random = np.random.default_rng(0)
    said = {name: random.random((rows.size, 5)).astype(np.float32) for name in KERNELS}
    found = dict(zip(FEATURES, pairs(compared, rows, said).reshape(rows.size, 5, -1).transpose(2, 0, 1), strict=True))
    for name in KERNELS:
        np.testing.assert_array_equal(found[name], said[name])
    best, train = said["hybrid-kernel"], compared.labels(compared.rows("train"))
    np.testing.assert_array_equal(best[found["rank"] == 0], best.max(axis=1))
    np.testing.assert_array_equal(found["highest"], best.max(axis=1, keepdims=True).repeat(5, axis=1))
    np.testing.assert_allclose(found["expected"][:, 2], best.sum(axis=1), rtol=1e-5)
    np.testing.assert_allclose(found["frequency"][0], train.mean(axis=0), rtol=1e-5)
    with_java = train[train[:, 1]].mean(axis=0)  # how often the others are there where java is
    alone = np.zeros((1, 5), np.float32)
    alone[0, 1] = 1
    (given,) = pairs(compared, rows[:1], dict.fromkeys(KERNELS, alone)).reshape(1, 5, -1)[
        ..., FEATURES.index("companions")
    ]
    np.testing.assert_allclose(given, np.where(np.arange(5) == 1, 0, with_java), rtol=1e-5)
    np.testing.assert_array_equal(found["in_body"], compared.labels(rows))  # where each label is a word
    assert found["body_cosine"].mean() == pytest.approx(0, abs=0.05)


def test_a_label_without_a_training_question_is_no_obstacle(compared, tmp_path):
    labels = compared.labels()
    labels[compared.rows("train"), 2] = False
    data = replace(compared, space=replace(compared.space, labels=csr_array(labels)))
    run_kernels(data, tmp_path / "15-tags-kernels")
    assert fit(data, tmp_path).predictions.values[..., 2].max() < 0.5


def test_kernels_that_have_changed_or_are_not_there_are_named(compared, runs):
    fit(compared, runs)
    saved = runs / "16-tags-combined" / "model" / "second-stage"
    model = runs / "15-tags-kernels" / "model" / "word-kernel" / "model.json"
    model.write_text(model.read_text() + "\n")
    with pytest.raises(ValueError, match="word-kernel has changed since second-stage was made with it"):
        load_system(saved, "second-stage")
    model.parent.rename(runs / "moved")
    with pytest.raises(FileNotFoundError, match="run 15-tags-kernels"):
        load_system(saved, "second-stage")
    with pytest.raises(FileNotFoundError, match="word-kernel"):
        fit(compared, runs)
