import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_array

from stackstudy.evaluation.tables import tag_systems
from stackstudy.evaluation.tags import best_micro_f1
from stackstudy.params import TagsKernels
from stackstudy.systems.choices import chosen
from stackstudy.systems.kernels import SYSTEMS, left_out, named_tags
from stackstudy.systems.saved import load_system

systems = pytest.mark.parametrize("system", SYSTEMS)


def fit(system, data, folder, **changes):
    fields = {"profile": "smoke", "experiment": "15-tags-kernels", "seeds": (3, 4), "penalties": (0.01, 0.1, 100.0)}
    return SYSTEMS[system](data, TagsKernels(**fields | changes), folder)


def without_words(data):
    """Return the questions with a text that says nothing of their labels."""
    return replace(data, questions=data.questions.with_columns(title=pl.lit("why not"), body=pl.lit("it fails again")))


def brier(probabilities: np.ndarray, labels: np.ndarray) -> float:
    return ((probabilities - labels) ** 2).mean()


@systems
def test_it_learns_and_is_saved(compared, tmp_path, system):
    fitted = fit(system, compared, tmp_path)
    predictions = fitted.predictions
    point = tag_systems([predictions], compared.questions, compared.space.labels)[system][0].point()
    assert point["f1_micro"] > (0.75 if system == "vector-kernel" else 0.95)  # the words name the labels
    assert (predictions.system, predictions.seeds.tolist()) == (system, [3])
    assert chosen(fitted) < 100
    saved = load_system(tmp_path / "model" / system, system)
    assert saved.streams == (() if system == "word-kernel" else ("title", "body"))
    rows = predictions.rows[::-1]
    for data, places in ((compared, rows), (compared.take(rows), np.arange(rows.size))):
        np.testing.assert_allclose(saved.apply(data, places)[3], predictions.values[0, ::-1], atol=1e-5)


@systems
def test_test_labels_are_not_looked_at(compared, tmp_path, system):
    labels = compared.labels()
    labels[compared.rows("test")] = ~labels[compared.rows("test")]
    other = replace(compared, space=replace(compared.space, labels=csr_array(labels)))
    first, second = fit(system, compared, tmp_path / "a"), fit(system, other, tmp_path / "b")
    np.testing.assert_array_equal(first.predictions.values, second.predictions.values)


def test_each_system_sees_what_its_name_says(compared, tmp_path):
    mute = without_words(compared)
    values = {name: fit(name, mute, tmp_path / name).predictions.values for name in SYSTEMS}
    assert np.ptp(values["word-kernel"], axis=1).max() < 1e-4, "all questions look alike"
    assert np.ptp(values["vector-kernel"], axis=1).min() > 0.1
    for name in ("vector-kernel", "hybrid-kernel"):
        truth = mute.labels(mute.rows("validation", "test"))
        assert best_micro_f1(values[name][0], truth) > 0.75


def test_training_questions_left_out_look_like_questions_never_seen(compared, tmp_path):
    fitted = fit("vector-kernel", compared, tmp_path)
    train, validation = compared.rows("train"), compared.rows("validation")
    held, saved = left_out(tmp_path, "vector-kernel"), load_system(tmp_path / "model" / "vector-kernel", "it")
    (seen,) = saved.apply(compared, train).values()
    assert (held.shape, held.dtype) == ((train.size, 5), np.float32)
    new = brier(fitted.predictions.at(validation)[0], compared.labels(validation))
    truth = compared.labels(train)
    assert brier(held, truth) == pytest.approx(new, rel=0.3)
    assert brier(seen, truth) < 0.5 * brier(held, truth)


def test_probabilities_can_be_taken_at_their_word(compared, tmp_path):
    rows = compared.rows("validation", "test")
    values = fit("vector-kernel", compared, tmp_path).predictions.values[0]
    assert values.mean() == pytest.approx(compared.labels(rows).mean(), abs=0.03)
    sure = values > 0.8
    assert compared.labels(rows)[sure].mean() == pytest.approx(values[sure].mean(), abs=0.1)


def test_only_tags_of_training_questions_with_a_label_may_be_named(compared):
    table = pl.DataFrame({"tag": ["java", "far", "late"], "count": [3, 3, 0], "centroid": [1, None, 2]})
    assert named_tags(replace(compared, space=replace(compared.space, tags=table))) == {"java": 1}


def test_what_is_missing_is_named(compared, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"left-out/word-kernel.npy is missing: run .* again"):
        left_out(tmp_path, "word-kernel")
    with pytest.raises(ValueError, match="reads the embedding stream 'title'"):
        fit("hybrid-kernel", replace(compared, streams={}), tmp_path)
    fit("word-kernel", replace(compared, streams={}), tmp_path)
    assert json.loads((tmp_path / "model" / "word-kernel" / "model.json").read_text())["streams"] == []
