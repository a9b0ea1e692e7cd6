from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from stackstudy.evaluation.predictions import rows_of
from stackstudy.evaluation.raw_tags import raw_systems
from stackstudy.params import TagsRaw
from stackstudy.systems import kernels
from stackstudy.systems.data import TagData
from stackstudy.systems.raw_tags import KERNEL, ROUTE, SIMPLE, as_tags, kernel_and_route, titles_for_bodies
from stackstudy.tagspace.raw import raw_space
from stackstudy.tagspace.space import TagSpace

FIELDS = {
    "profile": "smoke",
    "experiment": "17-tags-raw",
    "minimum_count": 1,
    "neighbours": (5,),
    "penalties": (0.1, 1),
}
FIELDS |= {"inverse_penalties": (10.0,), "max_features": 200, "resamples": 20, "seed": 0, "seeds": (3,)}
PARAMETERS = TagsRaw(**FIELDS)
SPREAD = 16


@pytest.fixture
def centroids(data) -> TagSpace:
    """Two centroids: of python and java, and of the three others."""
    names = data.space.names
    owners = [0, 0, 1, 1, 1]
    counts = data.labels(data.rows("train")).sum(axis=0)
    tags = pl.DataFrame({"tag": names, "count": counts, "kept": True, "centroid": owners, "cosine": 1.0})
    space = TagSpace(["languages", "others"], np.eye(2, SPREAD, dtype=np.float32), tags, data.space.labels)
    return replace(space, labels=space.labels_of(_tags(data)))


@pytest.fixture
def tagged(data, centroids) -> TagData:
    """The questions with their tags as labels, and a title vector like that of the body."""
    questions = data.questions.with_columns(tags=_tags(data))
    space = raw_space(centroids, questions, np.eye(5, SPREAD), 1)
    return TagData(questions, {"title": data.streams["body"], **data.streams}, "toy", space=space)


def _tags(data: TagData) -> pl.Series:
    return pl.Series([[data.space.names[i] for i in np.flatnonzero(row)] for row in data.labels()])


def test_a_title_stands_for_an_empty_body(tagged):
    empty = tagged.questions.with_columns(body=pl.when(pl.int_range(pl.len()) < 2).then(pl.lit(" ")).otherwise("body"))
    streams = dict(tagged.streams) | {"title": tagged.streams["body"] + 1}
    read = titles_for_bodies(replace(tagged, questions=empty, streams=streams))
    assert read.questions["body"][:2].to_list() == tagged.questions["title"][:2].to_list()
    assert read.questions["body"][2:].equals(tagged.questions["body"][2:])
    np.testing.assert_array_equal(read.streams["body"][:2], streams["title"][:2])
    np.testing.assert_array_equal(read.streams["body"][2:], tagged.streams["body"][2:])
    assert titles_for_bodies(tagged) is tagged


@pytest.mark.parametrize("bodies", [True, False])
def test_one_solve_predicts_tags_and_centroids(tagged, centroids, tmp_path, bodies):
    if not bodies:
        questions = tagged.questions.with_columns(title=pl.col("body"), body=pl.lit(""))
        tagged = titles_for_bodies(replace(tagged, questions=questions))
    direct, route = kernel_and_route(tagged, centroids, PARAMETERS, tmp_path)
    predictions = [direct.predictions, route.predictions]
    assert [each.system for each in predictions] == [KERNEL, ROUTE]
    points = raw_systems(predictions, tagged.questions, tagged.space.labels)
    found = {name: seeds[0].point()["recall_at_1"] for name, seeds in points.items()}
    assert found[ROUTE] < found[KERNEL] <= found["best-possible"]
    assert found[KERNEL] > 0.8 * found["best-possible"]


def test_the_saved_kernel_predicts_what_it_predicted(tagged, centroids, tmp_path):
    predictions = kernel_and_route(tagged, centroids, PARAMETERS, tmp_path)[0].predictions
    rows = rows_of(tagged.questions, "validation", "test")
    found = kernels.load(tmp_path / "model" / KERNEL)(tagged, rows)
    np.testing.assert_allclose(found[3], predictions.values[0], atol=1e-5)


def test_only_the_most_frequent_tag_of_a_centroid_is_named(centroids, tagged):
    values = as_tags(np.array([[0.25, 0.75]]), centroids, tagged.space)[0]
    counts = dict(centroids.tags.select("tag", "count").iter_rows())
    expected = {max(pair, key=counts.get) for pair in (("python", "java"), ("sql", "css", "git"))}
    assert {name for name, value in zip(tagged.space.names, values, strict=True) if value} == expected
    assert sorted(values[values > 0]) == [0.25, 0.75]


def test_simple_systems_take_tags_as_labels(tagged, tmp_path):
    predictions = [system(tagged, PARAMETERS, tmp_path).predictions for system in SIMPLE.values()]
    assert [each.system for each in predictions] == list(SIMPLE)
    points = raw_systems(predictions, tagged.questions, tagged.space.labels)
    assert points["k-nearest"][0].point()["f1_at_2"] > points["majority"][0].point()["f1_at_2"]
