import numpy as np
import pytest
from scipy.sparse import csr_array

from stackstudy.evaluation.tables import tag_systems
from stackstudy.evaluation.tags import choose_threshold, micro_f1_at
from stackstudy.evaluation.thresholds import thresholds
from stackstudy.models.files import read_model, write_model
from stackstudy.params import TagsBaselines
from stackstudy.systems.baselines import BASELINES
from stackstudy.systems.choices import chosen
from stackstudy.systems.data import TagData
from stackstudy.systems.inputs import vectors_of
from stackstudy.systems.saved import load_system
from stackstudy.tagspace.space import TagSpace

LEARNING = ("k-nearest", "linear-probe", "tfidf-logistic")
SYSTEMS = ("majority", "zero-shot", *LEARNING)


@pytest.fixture
def questions(data) -> TagData:
    """The shared questions with title vectors and with centroids that lie where their labels' questions do."""
    title = (data.streams["body"] + np.random.default_rng(1).normal(size=(400, 16))).astype(np.float16)
    body = data.streams["body"].astype(np.float64)
    middles = np.stack([body[true].mean(axis=0) for true in data.labels().T]) - body.mean(axis=0)
    centroids = (middles / np.linalg.norm(middles, axis=1, keepdims=True)).astype(np.float32)
    space = TagSpace(data.space.names, centroids, data.space.tags, data.space.labels)
    return TagData(data.questions, {"title": title, **data.streams}, "toy", space=space)


def parameters(**changes) -> TagsBaselines:
    fields = {"profile": "smoke", "experiment": "11-tags-baselines", "seeds": (3, 4), "neighbours": (3, 9)}
    return TagsBaselines(**fields | {"inverse_penalties": (0.01, 1.0), "max_features": 500} | changes)


def fit(system, data, folder, **changes):
    return BASELINES[system](data, parameters(**changes), folder)


def with_labels(data, labels) -> TagData:
    space = TagSpace(data.space.names, data.space.centroids, data.space.tags, csr_array(labels))
    return TagData(data.questions, data.streams, data.encoder, space=space)


def test_what_learns_beats_what_does_not_and_everything_beats_the_majority(questions, tmp_path):
    predictions = [fit(system, questions, tmp_path).predictions for system in SYSTEMS]
    systems = tag_systems(predictions, questions.questions, questions.space.labels)
    f1 = {name: seeds[0].point()["f1_micro"] for name, seeds in systems.items()}
    assert f1["majority"] + 0.1 < f1["zero-shot"] < min(f1[name] for name in LEARNING)
    assert f1["tfidf-logistic"] > 0.95  # the words of the labels are in the text
    assert f1["linear-probe"] > 0.75


@pytest.mark.parametrize("system", SYSTEMS)
def test_it_runs_for_the_first_seed_and_is_saved_with_labels_and_threshold(questions, tmp_path, system):
    fitted = fit(system, questions, tmp_path)
    predictions = fitted.predictions
    assert (predictions.system, predictions.seeds.tolist()) == (system, [3])
    assert predictions.values.shape == (1, len(questions.rows("validation", "test")), 5)
    about, _ = read_model(tmp_path / "model" / system)
    assert (about["labels"], about["encoder"], about["seeds"]) == (questions.space.names, "toy", [3])
    assert about["thresholds"] == thresholds(predictions, questions.questions, questions.space.labels)
    assert about["setting"] == chosen(fitted)


@pytest.mark.parametrize("system", LEARNING)
def test_the_setting_is_chosen_on_validation_rows(questions, tmp_path, system):
    fitted = fit(system, questions, tmp_path)
    assert fitted.history.columns == ["seed", "setting", "validation_f1_micro"]
    assert fitted.history["setting"].to_list() == ([3, 9] if system == "k-nearest" else [0.01, 1])
    rows = questions.rows("validation")
    values, truth = fitted.predictions.at(rows)[0], questions.labels(rows)
    best = micro_f1_at(values, truth, np.array([choose_threshold(values, truth)]))[0]
    assert fitted.history["validation_f1_micro"].max() == pytest.approx(best)
    assert chosen(fitted) == fitted.history.sort("validation_f1_micro")["setting"][-1]


@pytest.mark.parametrize("system", SYSTEMS)
def test_test_labels_are_not_looked_at(questions, tmp_path, system):
    labels = questions.labels()
    labels[questions.rows("test")] = ~labels[questions.rows("test")]
    first = fit(system, questions, tmp_path / "a").predictions
    second = fit(system, with_labels(questions, labels), tmp_path / "b").predictions
    np.testing.assert_array_equal(first.values, second.values)


@pytest.mark.parametrize("system", SYSTEMS)
def test_labels_without_an_example_those_of_every_question_and_those_that_validation_lacks(questions, tmp_path, system):
    labels, train = questions.labels(), questions.rows("train")
    labels[train, 2], labels[train, 3] = False, True
    labels[questions.rows("validation"), 4] = False
    values = fit(system, with_labels(questions, labels), tmp_path).predictions.values
    if system != "zero-shot":  # which learns from no labels
        assert values[..., 2].max() < 1e-5
        assert values[..., 3].min() > 1 - 1e-5
        assert values[..., 4].max() > values[..., 2].max()


def test_majority_predicts_the_frequencies_of_training_rows(questions, tmp_path):
    values = fit("majority", questions, tmp_path).predictions.values
    expected = questions.labels(questions.rows("train")).mean(axis=0)
    np.testing.assert_allclose(values, np.broadcast_to(expected, values.shape), rtol=1e-6)


def test_zero_shot_ranks_by_the_cosine_to_the_middle_of_title_and_body(questions, tmp_path):
    predictions = fit("zero-shot", questions, tmp_path).predictions
    unit = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in (vectors_of(questions, s) for s in ("title", "body"))]
    order, cosines = questions.space.nearest_centroids(sum(unit)[predictions.rows], 5)
    np.testing.assert_array_equal(np.argsort(-predictions.values[0], axis=1), order)
    np.testing.assert_allclose(np.sort(predictions.values[0])[:, ::-1], (1 + cosines) / 2, atol=1e-5)


@pytest.mark.parametrize("system", SYSTEMS)
def test_saved_it_predicts_the_same_whatever_stands_beside_a_question(questions, tmp_path, system):
    predictions = fit(system, questions, tmp_path).predictions
    saved, rows = load_system(tmp_path / "model" / system, system), predictions.rows[::-1]
    for data, places in ((questions, rows), (questions.take(rows), np.arange(rows.size))):
        found = saved.apply(data, places)
        np.testing.assert_allclose(found[3], predictions.values[0, ::-1], atol=1e-6)


def test_neighbours_vote_by_the_mean_cosine_of_titles_and_bodies(questions, tmp_path):
    predictions = fit("k-nearest", questions, tmp_path, neighbours=(9,)).predictions
    vectors = [vectors_of(questions, name) for name in ("title", "body")]
    title, body = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in vectors)
    train, row = questions.rows("train"), predictions.rows[0]
    cosines = (title[train] @ title[row] + body[train] @ body[row]) / 2
    nearest = np.argsort(-cosines)[:9]
    expected = cosines[nearest] @ questions.labels(train[nearest]) / cosines[nearest].sum()
    np.testing.assert_allclose(predictions.values[0, 0], expected, atol=1e-5)


def test_what_does_not_fit_is_named(questions, tmp_path):
    with pytest.raises(ValueError, match=r"neighbours: 1000 is too many for \d+ training questions"):
        fit("k-nearest", questions, tmp_path, neighbours=(1000,))
    narrow = {name: stream[:, :8] for name, stream in questions.streams.items()}
    with pytest.raises(ValueError, match="centroids have 16 dimensions, the question vectors 8: make both with one"):
        fit("zero-shot", TagData(questions.questions, narrow, "toy", space=questions.space), tmp_path)
    for system in ("zero-shot", "k-nearest", "linear-probe"):
        with pytest.raises(ValueError, match="reads the embedding stream 'title'"):
            fit(
                system,
                TagData(questions.questions, {"body": questions.streams["body"]}, space=questions.space),
                tmp_path,
            )


def test_neighbours_that_an_earlier_version_saved_are_refused(questions, tmp_path):
    fit("k-nearest", questions, tmp_path)
    folder = tmp_path / "model" / "k-nearest"
    about, arrays = read_model(folder)
    write_model(folder, about, {"labels": arrays["labels"], "vectors": arrays["title"]})
    with pytest.raises(ValueError, match="k-nearest holds other vectors than those of title and body: run the exp"):
        load_system(folder, "k-nearest")
