import numpy as np
import polars as pl
import pytest
import yaml
from scipy import sparse

from stackstudy.evaluation.ceiling import label_posterior, score_ceiling, score_parts, tag_ceiling
from stackstudy.questions.planted import plant, plant_with_truth
from stackstudy.tagspace.space import TagSpace

ROWS = 600


@pytest.fixture(scope="module")
def questions() -> pl.DataFrame:
    split = np.where(np.arange(ROWS) % 3 == 0, "test", "train")
    return plant(ROWS, 3).with_columns(split=pl.Series(split))


def space_of(tags: list[str], labels: list[int]) -> TagSpace:
    names = [f"label {label}" for label in range(max(labels) + 1)]
    table = pl.DataFrame({"tag": tags, "centroid": labels})
    return TagSpace(names, np.eye(len(names), dtype=np.float32), table, sparse.csr_array((1, len(names)), dtype=bool))


def made(folder, source: str):
    (folder / "params.yaml").write_text(yaml.safe_dump({"source": source, "rows": ROWS, "seed": 3}))
    return folder


def test_one_tag_a_label_leaves_the_posterior_as_it_is():
    truth = plant_with_truth(ROWS, 3)[1]
    posterior = label_posterior(truth, space_of(list(truth.tags), list(range(len(truth.tags)))))
    assert np.allclose(posterior.toarray(), truth.posterior.toarray(), atol=1e-9)


def test_a_label_of_two_tags_holds_unless_both_are_absent():
    truth = plant_with_truth(ROWS, 3)[1]
    both = truth.posterior.toarray()[:, :2]
    posterior = label_posterior(truth, space_of(list(truth.tags[:2]), [0, 0])).toarray()[:, 0]
    assert np.allclose(posterior, 1 - (1 - both[:, 0]) * (1 - both[:, 1]), atol=1e-9)


def test_folding_tags_into_few_labels_makes_the_task_easier(questions, tmp_path):
    tags = list(plant_with_truth(ROWS, 3)[1].tags)
    fine = tag_ceiling(made(tmp_path, "planted"), questions, space_of(tags, list(range(len(tags)))))
    coarse = tag_ceiling(tmp_path, questions, space_of(tags, [i % 4 for i in range(len(tags))]))
    assert 0.5 < fine["f1_micro"] < coarse["f1_micro"] <= 1


def test_scores_have_a_ceiling_between_nothing_and_everything(questions, tmp_path):
    ceiling = score_ceiling(made(tmp_path, "planted"), questions)
    assert 0 < ceiling["r2"] < ceiling["r2_log"] < 0.6


def test_real_questions_have_no_ceiling(questions, tmp_path):
    folder = made(tmp_path, "Posts.xml")
    assert tag_ceiling(folder, questions, space_of(["a"], [0])) == score_ceiling(folder, questions) == {}


def test_what_the_text_shows_and_what_it_hides_are_told_apart(questions, tmp_path):
    folder = made(tmp_path, "planted")
    test = np.flatnonzero(questions["split"] == "test")
    truth = plant_with_truth(ROWS, 3)[1].take(test)
    best = score_parts(folder, questions, np.sign(truth.log_mean) * np.expm1(np.abs(truth.log_mean)))
    assert best["visible"] == pytest.approx(1)
    assert abs(best["hidden"]) < best["chance"] == pytest.approx(1.96 / np.sqrt(200))
    cheat = score_parts(folder, questions, questions["score"].to_numpy()[test].astype(float))
    assert cheat["hidden"] > 0.5
    assert score_parts(folder, questions, np.ones(test.size)) == {}
    assert score_parts(made(tmp_path, "Posts.xml"), questions, truth.log_mean) == {}
