"""From a question file and a finished run to predictions: the whole way, on planted questions."""

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from trained import make_runs

from stackstudy import predict as module
from stackstudy.embeddings.embed import embed_questions
from stackstudy.evaluation.predictions import Predictions, rows_of
from stackstudy.evaluation.score_tables import score_systems
from stackstudy.evaluation.tables import tag_systems
from stackstudy.predict import predict
from stackstudy.questions.schema import read_questions
from stackstudy.systems.saved import saved_systems
from stackstudy.tagspace.space import TagSpace

NEAR = 5e-3  # vectors in half precision differ a little when they are made in other batches


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    return make_runs(tmp_path_factory.mktemp("smoke"))


@pytest.fixture(scope="module")
def questions(runs) -> pl.DataFrame:
    return read_questions(runs / "01-questions" / "questions.parquet")


@pytest.fixture
def copy(runs, tmp_path) -> Path:
    """The runs, to be spoilt."""
    return shutil.copytree(runs, tmp_path / "copy")


def written(questions: pl.DataFrame, folder: Path, *columns: str) -> Path:
    path = folder / "new.parquet"
    questions.select(*(columns or questions.columns)).write_parquet(path)
    return path


def found(run: Path, system: str, rows: np.ndarray) -> np.ndarray:
    """Return the mean over seeds of what the run itself predicted for `rows`."""
    return Predictions.load(run / "predictions" / f"{system}.npz").at(rows).mean(axis=0)


@pytest.mark.parametrize(
    ("run", "systems"), [("11-tags-baselines", ["linear-probe", "tfidf-logistic"]), ("13-tags-neural", ["net"])]
)
def test_labels_of_the_test_questions_are_those_of_the_run(runs, questions, tmp_path, run, systems):
    test, out = rows_of(questions, "test"), tmp_path / "out" / "predictions.parquet"
    predict(runs / run, written(questions[test], tmp_path), out)
    table, saved = pl.read_parquet(out), {system.name: system for system in saved_systems(runs / run)}
    assert table.columns == ["question_id", "site", "system", "labels", "probabilities"]
    assert table.schema["probabilities"] == pl.List(pl.Float32)
    assert table["system"].unique(maintain_order=True).to_list() == systems == list(saved)
    for name, system in saved.items():
        rows = table.filter(system=name)
        assert rows["question_id"].equals(questions["question_id"].gather(test))
        for labels, probabilities, expected in zip(
            rows["labels"], rows["probabilities"], found(runs / run, name, test), strict=True
        ):
            places = [system.labels.index(label) for label in labels]
            np.testing.assert_allclose(probabilities, expected[places], atol=NEAR)
            assert probabilities.to_list() == sorted(probabilities, reverse=True)
            assert (probabilities >= np.float32(system.threshold)).all()
            assert (np.delete(expected, places) < system.threshold + NEAR).all()


def test_metrics_are_those_of_the_evaluator(runs, questions, tmp_path):
    test, space = rows_of(questions, "test"), TagSpace.load(runs / "03-tag-centroids" / "tagspace")
    source = written(questions[test], tmp_path)
    names = ("linear-probe", "tfidf-logistic")
    own = [Predictions.load(runs / "11-tags-baselines" / "predictions" / f"{name}.npz") for name in names]
    judged = tag_systems(own, questions, space.labels)
    for row in predict(runs / "11-tags-baselines", source, tmp_path / "tags.parquet").metrics.to_dicts():
        point = judged[row["system"]][0].point()
        for metric in ("f1_micro", "f1_weighted", "precision_at_1", "lrap", "ece"):
            assert row[metric] == pytest.approx(point[metric], abs=0.02)
            assert row[f"{metric}_low"] < row[metric] < row[f"{metric}_high"]
    names = ("bow-ridge", "mean-log")
    own = [Predictions.load(runs / "21-scores-traditional" / "predictions" / f"{name}.npz") for name in names]
    judged = score_systems(own, questions)
    for row in predict(runs / "21-scores-traditional", source, tmp_path / "scores.parquet").metrics.to_dicts():
        point = judged[row["system"]][0].point()
        assert {metric: row[metric] for metric in ("rmse", "mae", "r2", "r2_log")} == pytest.approx(
            {metric: point[metric] for metric in ("rmse", "mae", "r2", "r2_log")}, rel=1e-4
        )


def test_a_run_with_labels_of_its_own_is_judged_by_these_and_reads_titles_for_bodies(copy, questions, tmp_path):
    run = copy / "11-tags-baselines"
    shutil.move(copy / "03-tag-centroids" / "tagspace", run / "tagspace")
    new = questions.filter(pl.col("split") == "test")[:2]
    bodies = {"empty": pl.lit(""), "title": pl.col("title")}
    found = {}
    for name, body in bodies.items():
        source = written(new.with_columns(body=body), tmp_path)
        assert predict(run, source, tmp_path / f"{name}.parquet").metrics is not None
        found[name] = pl.read_parquet(tmp_path / f"{name}.parquet")
    assert found["empty"]["labels"].to_list() == found["title"]["labels"].to_list()


@pytest.mark.parametrize(("run", "systems"), [("21-scores-traditional", 2), ("22-scores-neural", 1)])
def test_scores_of_the_test_questions_are_those_of_the_run(runs, questions, tmp_path, run, systems):
    test, out = rows_of(questions, "test"), tmp_path / "predictions.parquet"
    predict(runs / run, written(questions[test], tmp_path), out)
    table = pl.read_parquet(out)
    assert (table.columns, table.schema["score"]) == (["question_id", "site", "system", "score"], pl.Float32)
    assert table["system"].n_unique() == systems
    for (name,), rows in table.group_by("system", maintain_order=True):
        np.testing.assert_allclose(rows["score"], found(runs / run, name, test), rtol=NEAR, atol=NEAR)


def test_notes_say_what_was_left_out_unknown_and_known_before(runs, questions, tmp_path):
    train = questions.filter(pl.col("split") == "train")[:4]
    new = train.with_columns(
        question_id=pl.Series([10**9, *train["question_id"][1:]]),
        tags=pl.Series([["unheard-of"], ["unheard-of", "another"], train["tags"][2].to_list(), []]),
    )
    untitled = new[:1].with_columns(title=pl.lit(" "), question_id=pl.lit(10**9 + 1, pl.Int64))
    source = written(pl.concat([new, untitled]), tmp_path)
    predicted = predict(runs / "11-tags-baselines", source, tmp_path / "out.parquet")
    text = "\n".join(predicted.notes)
    assert "4 questions\nleft out: title: missing (1)" in text
    assert "3 of 4 questions have tags, and are judged" in text
    tags = {"unheard-of", "another", *train["tags"][2]}
    assert f"2 of their {len(tags)} tags (3 of {len(tags) + 1} uses) were never seen by the run" in text
    assert "2 of them have no label at all" in text
    assert "3 of them were training or validation questions of the run" in text


def test_a_file_without_labels_is_predicted_and_not_judged(runs, questions, tmp_path):
    bare = written(questions[:5], tmp_path, "question_id", "site", "title", "body")
    predicted = predict(runs / "13-tags-neural", bare, tmp_path / "tags.parquet")
    assert predicted.metrics is None
    assert predicted.notes == ("5 questions", "no question has tags, so nothing can be said on the quality")
    labelled = written(questions[:5], tmp_path)
    predict(runs / "13-tags-neural", labelled, tmp_path / "same.parquet")
    assert (tmp_path / "tags.parquet").read_bytes() == (tmp_path / "same.parquet").read_bytes()
    asked = written(questions[:5], tmp_path, "question_id", "site", "title", "body", "tags")
    assert predict(runs / "22-scores-neural", asked, tmp_path / "scores.parquet").metrics is None
    assert pl.read_parquet(tmp_path / "scores.parquet")["score"].is_finite().all()


def test_a_score_is_predicted_only_of_a_question_with_tags(runs, questions, tmp_path):
    bare = written(questions[:5], tmp_path, "question_id", "site", "title", "body")
    with pytest.raises(ValueError, match="column 'tags' is missing"):
        predict(runs / "21-scores-traditional", bare, tmp_path / "out.parquet")


def test_nothing_is_embedded_that_no_system_reads(runs, questions, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "embed_questions", lambda *_, **__: 1 / 0)
    predict(runs / "21-scores-traditional", written(questions[:9], tmp_path), tmp_path / "out.parquet")
    made = []
    monkeypatch.setattr(
        module, "embed_questions", lambda *a, **k: made.append(k["streams"]) or embed_questions(*a, **k)
    )
    predict(runs / "13-tags-neural", written(questions[:2], tmp_path), tmp_path / "out.parquet")
    assert made == [["body_chunks", "title"]]


def test_a_network_that_was_told_the_number_of_labels_is_refused(runs, questions, tmp_path):
    with pytest.raises(ValueError, match=r"13-published.model: .* reads the number of labels"):
        predict(runs / "13-published", written(questions, tmp_path), tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


@pytest.mark.parametrize("content", ["nothing", "no rows"])
def test_an_empty_file_is_named_and_what_was_written_before_stays(runs, questions, tmp_path, content):
    source, out = written(questions[:0], tmp_path), tmp_path / "out.parquet"
    if content == "nothing":
        source.write_bytes(b"")
    out.write_text("before")
    with pytest.raises(ValueError, match=r"new.parquet: (the file is empty|no questions found)"):
        predict(runs / "11-tags-baselines", source, out)
    assert out.read_text() == "before"
    assert {path.name for path in tmp_path.iterdir()} == {"new.parquet", "out.parquet"}


def test_vectors_of_another_encoder_are_refused(copy, questions, tmp_path, monkeypatch):
    source, out = written(questions[:2], tmp_path), tmp_path / "out.parquet"
    sidecar = copy / "02-embeddings" / "body_chunks.json"
    original = sidecar.read_text()
    sidecar.write_text(original.replace(json.loads(original)["model"], "another/model"))
    with pytest.raises(ValueError, match=r"net was trained with vectors of .*MiniLM.* holds those of another/model"):
        predict(copy / "13-tags-neural", source, out)
    sidecar.write_text(original.replace(json.loads(original)["weight_sha256"], "0" * 64))
    with pytest.raises(ValueError, match=r"encoder minilm is no longer the one with which .*02-embeddings was made"):
        predict(copy / "13-tags-neural", source, out)


def test_what_the_run_was_made_from_must_be_there_and_be_the_same(copy, questions, tmp_path):
    source, out = written(questions[:2], tmp_path), tmp_path / "out.parquet"
    space = copy / "03-tag-centroids" / "tagspace" / "names.json"
    names = json.loads(space.read_text())
    space.write_text(json.dumps([*names[1:], names[0]]))
    with pytest.raises(ValueError, match="net predicts other labels than those in the tag space"):
        predict(copy / "13-tags-neural", source, out)
    (copy / "02-embeddings" / "DONE").unlink()
    with pytest.raises(FileNotFoundError, match="02-embeddings is no finished run"):
        predict(copy / "13-tags-neural", source, out)
    (copy / "13-tags-neural" / "DONE").unlink()
    with pytest.raises(FileNotFoundError, match="13-tags-neural is no finished run: it has no DONE"):
        predict(copy / "13-tags-neural", source, out)
    with pytest.raises(FileNotFoundError, match="01-questions has no saved system in model/"):
        predict(copy / "01-questions", source, out)
