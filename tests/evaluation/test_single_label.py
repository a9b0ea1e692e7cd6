import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_array

from stackstudy.evaluation.predictions import Predictions
from stackstudy.evaluation.single_label import confusion, majority_labels, measures, single_label
from stackstudy.tagspace.space import TagSpace

TAGS = {"python": 0, "numpy": 0, "java": 1, "spring": 1, "css": 2}
SPACE = TagSpace(
    ["python", "java", "css"],
    np.eye(3, dtype=np.float32),
    pl.DataFrame({"tag": list(TAGS), "centroid": list(TAGS.values())}),
    csr_array(np.ones((1, 3), bool)),
)


def questions(*rows: tuple[str, str]) -> pl.DataFrame:
    return pl.DataFrame({"split": [split for split, _ in rows], "tags": [tags.split() for _, tags in rows]})


TABLE = questions(
    ("train", "python"), ("train", "python numpy java"), ("train", "java"), ("train", "spring java css"),
    ("train", "css"), ("validation", "python"), ("test", "java"), ("test", "numpy"), ("test", "css"),
)  # fmt: skip


def predictions(*seeds: list[list[float]]) -> Predictions:
    return Predictions("toy", "tags", "hash", np.arange(5, 9), np.arange(len(seeds)), np.array(seeds))


def test_the_label_with_most_tags_wins_and_a_tie_goes_to_the_tag_listed_first():
    listed = questions(("train", "css java spring"), ("train", "css java"), ("train", "java css"))
    assert majority_labels(listed, SPACE).tolist() == [1, 2, 1]


def test_classes_have_enough_training_questions():
    assert single_label(TABLE, SPACE, 1).classes.tolist() == [0, 1, 2]
    task = single_label(TABLE, SPACE, 2)
    assert task.classes.tolist() == [0, 1]
    assert task.label.tolist() == [0, 0, 1, 1, -1, 0, 1, 0, -1]
    assert task.rows(TABLE, "test").tolist() == [6, 7]


def test_too_few_classes_and_a_split_without_one_are_refused():
    with pytest.raises(ValueError, match="0 labels are the majority of 3 or more training questions, two are needed"):
        single_label(TABLE, SPACE, 3)
    rare = TABLE.filter((pl.col("split") != "validation") | (pl.col("tags").list.len() > 1))
    rare = pl.concat([rare, questions(("validation", "css"))])
    with pytest.raises(ValueError, match="no validation question has one of the 2 classes: lower minimum_questions"):
        single_label(rare, SPACE, 2).rows(rare, "validation")


def test_the_likeliest_class_is_judged_on_rows_of_the_task():
    right = [[1, 0, 0], [0.2, 0.5, 0.9], [0.6, 0.1, 0], [0, 0, 1]]  # css is no class: it does not count as a choice
    half = [[1, 0, 0], [0.2, 0.5, 0], [0.3, 0.4, 0], [0, 0, 1]]
    task = single_label(TABLE, SPACE, 2)
    both = predictions(right, half)
    found = measures(both, TABLE, task)
    assert found == {"f1_weighted": pytest.approx((1 + 1 / 3) / 2), "accuracy": 0.75, "classes": 2, "test_questions": 2}
    np.testing.assert_array_equal(confusion(both, TABLE, task), [[1, 1], [0, 2]])
