"""The answer to one question: what trained systems of a profile say, why, and whether it is what the runs say."""

import json
import shutil
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from trained import BASELINES, about, make_runs
from typer.testing import CliRunner

from stackstudy.ask.answer import Asker, _question, ask
from stackstudy.ask.choices import chosen, trained
from stackstudy.ask.page import Page, as_html
from stackstudy.cli import commands
from stackstudy.embeddings.store import load_stream, stream_metadata
from stackstudy.evaluation.calibration import log_odds
from stackstudy.evaluation.predictions import Predictions, rows_of
from stackstudy.params import TagsBaselines
from stackstudy.paths import project_root
from stackstudy.predict import predict
from stackstudy.questions.schema import read_questions
from stackstudy.runs.folder import mark_done, save_parameters
from stackstudy.systems.baselines import linear_probe
from stackstudy.systems.data import TagData
from stackstudy.systems.raw_tags import titles_for_bodies
from stackstudy.tagspace.raw import raw_space
from stackstudy.tagspace.space import TagSpace

TITLE, BODY = "How to sort a <list> in Python?", "I tried `sorted`. It works.\n\n```\nx = [2, 1]\n```\n"
SYSTEMS = ("11-tags-baselines/linear-probe", "13-*", "22-scores-neural")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A checkout with the finished runs of profile smoke."""
    root = tmp_path_factory.mktemp("checkout")
    (root / "notebooks").mkdir()
    shutil.copytree(project_root() / "profiles", root / "profiles")
    make_runs(root / "runs" / "smoke")
    return root


@pytest.fixture
def raw(root):
    """A finished run with labels of its own, the raw tags, in which a title is read where a body is empty."""
    runs = root / "runs" / "smoke"
    questions = read_questions(runs / "01-questions" / "questions.parquet")
    streams = {name: load_stream(runs / "02-embeddings", name) for name in ("title", "body")}
    encoder = stream_metadata(runs / "02-embeddings", "body")["model"]
    centroids = TagSpace.load(runs / "03-tag-centroids" / "tagspace")
    space = raw_space(centroids, questions, load_stream(runs / "02-embeddings", "tag"), minimum_count=5)
    run, parameters = runs / "17-tags-raw", TagsBaselines(**about("17-tags-raw"), **BASELINES)
    save_parameters(parameters, run)
    space.save(run / "tagspace")
    data = titles_for_bodies(TagData(questions, streams, encoder, space=space))
    linear_probe(data, parameters, run).predictions.save(run / "predictions" / "linear-probe.npz")
    mark_done(run, "key")
    yield run
    shutil.rmtree(run)


@pytest.fixture(autouse=True)
def inside(root, monkeypatch):
    monkeypatch.setenv("STACKSTUDY_ROOT", str(root))


@pytest.fixture(scope="module")
def asker(root):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STACKSTUDY_ROOT", str(root))
        return Asker.load("smoke", chosen("smoke", SYSTEMS))


@pytest.fixture(scope="module")
def answer(asker):
    return asker.answer(TITLE, BODY)


def test_an_answer_has_labels_scores_pieces_and_neighbours(answer):
    assert [system["system"] for system in answer["tags"]] == ["linear-probe", "net"]
    for system in answer["tags"]:
        probabilities = [label["probability"] for label in system["labels"]]
        assert probabilities == sorted(probabilities, reverse=True)
        assert all(label["given"] == (label["probability"] >= label["threshold"]) for label in system["labels"])
        assert system["carried"]["label"] == system["labels"][0]["label"]
        texts = [piece["text"] for piece in system["carried"]["pieces"]]
        assert texts[:3] == ["How", "to", "sort"]
        assert "".join(texts[7:]) == BODY
        assert any(piece["change"] for piece in system["carried"]["pieces"])
    (score,) = answer["scores"]
    assert score["low"] <= score["score"] <= score["high"]
    assert len(answer["nearest"]) == 5
    assert json.loads(json.dumps(answer)) == answer


def test_probabilities_are_those_of_predict_calibrated_and_so_is_the_threshold(root, asker, answer, tmp_path):
    _check_against_predict(root / "runs" / "smoke" / "11-tags-baselines", asker, answer, tmp_path)


def test_without_a_body_an_answer_is_still_that_of_predict(root, raw, tmp_path):
    """Systems with labels of their own read the title in its place."""
    asker = Asker.load("smoke", chosen("smoke", ["17-*"]))
    answer = asker.answer(TITLE, "")
    _check_against_predict(raw, asker, answer, tmp_path)
    (tagger,) = asker.systems
    empty = asker._embedded(_question(TITLE, ""))
    assert not np.allclose(tagger.values(empty), tagger.platt(log_odds(tagger.saved.values(empty))), atol=1e-3)


def _check_against_predict(run, asker, answer, tmp_path):
    """A label is given where `predict` gives it, since the curve rises."""
    source = tmp_path / "new.parquet"
    columns = {"question_id": [1], "site": ["asked"], "title": [answer["title"]], "body": [answer["body"]]}
    pl.DataFrame(columns).write_parquet(source)
    predict(run, source, tmp_path / "out.parquet")
    row = pl.read_parquet(tmp_path / "out.parquet").row(0, named=True)
    labels = {label["label"]: label for label in answer["tags"][0]["labels"]}
    assert [name for name, label in labels.items() if label["given"]] == row["labels"]
    assert row["labels"]
    platt = asker.systems[0].platt
    for name, probability in zip(row["labels"], row["probabilities"], strict=True):
        assert labels[name]["probability"] == pytest.approx(float(platt(log_odds(probability))), abs=0.01)


def test_calibrated_probabilities_sum_to_the_labels_of_the_validation_questions(root, asker):
    run = root / "runs" / "smoke"
    questions = read_questions(run / "01-questions" / "questions.parquet")
    space = TagSpace.load(run / "03-tag-centroids" / "tagspace")
    rows = rows_of(questions, "validation")
    own = Predictions.load(run / "13-tags-neural" / "predictions" / "net.npz").at(rows).mean(axis=0)
    calibrated = asker.systems[1].platt(log_odds(own))
    assert calibrated.sum() == pytest.approx(space.labels[rows].sum(), rel=0.02)
    assert not np.allclose(calibrated, own, atol=0.01)


def test_python_and_command_line_give_the_same_answer():
    command = ["ask", "--title", TITLE, "--body", BODY, "--profile", "smoke", "--system", "11-*/linear-probe"]
    printed = CliRunner().invoke(commands, command)
    assert json.loads(printed.stdout) == ask(TITLE, BODY, "smoke", ["11-*/linear-probe"])


def test_without_names_the_best_of_the_comparisons_answer_and_before_them_the_first(root):
    assert [choice.name for choice in chosen("smoke")] == [
        "11-tags-baselines/linear-probe",
        "21-scores-traditional/bow-ridge",
    ]
    comparison = root / "runs" / "smoke" / "19-tags-comparison"
    comparison.mkdir()
    (comparison / "metrics.json").write_text('{"tags": {"best": "net"}}')
    assert chosen("smoke")[0].name == "13-tags-neural/net"
    shutil.rmtree(comparison)


def test_unknown_systems_and_empty_profiles_are_named(root):
    with pytest.raises(ValueError, match=r"no trained system of profile smoke is called 99-.*there are: 11-tags-base"):
        chosen("smoke", ["99-*"])
    with pytest.raises(FileNotFoundError, match="profile sample has no trained system: type `stackstudy run sample`"):
        trained("sample")


def test_a_question_needs_a_title_but_no_body(asker):
    assert asker.answer("List?", "")["tags"]
    with pytest.raises(ValueError, match="a question needs a title"):
        asker.answer(" ", BODY)


def test_a_model_beside_vectors_of_another_encoder_is_refused(root):
    path = root / "runs" / "smoke" / "13-tags-neural" / "model" / "model.json"
    original = path.read_text()
    path.write_text(original.replace(json.loads(original)["encoder"], "another/model"))
    try:
        with pytest.raises(ValueError, match="net was trained with vectors of another/model"):
            Asker.load("smoke", chosen("smoke", ["13-*"]))
    finally:
        path.write_text(original)


def test_saved_models_hold_no_pickle(root):
    kinds = {path.suffix for path in (root / "runs" / "smoke").glob("*/model/**/*") if path.is_file()}
    assert kinds <= {".json", ".safetensors", ".ubj"}


def test_html_escapes_the_question_and_names_every_number(answer):
    html = as_html(answer)
    assert "&lt;list&gt;" in html
    assert "<list>" not in html
    assert all(f"{label['probability']:.2f}" in html for label in answer["tags"][0]["labels"])
    assert "<script" not in html


def test_page_asks_what_is_typed_loads_what_is_chosen_and_says_what_is_wrong(asker):
    page = Page("smoke", SYSTEMS, TITLE, BODY, asker)
    assert (page.title.value, page.body.value) == (TITLE, BODY)
    page.button.click()
    assert page.answer.value == as_html(asker.answer(TITLE, BODY))
    page.title.value, page.systems.value = "How to write a trigger?", ("21-scores-traditional/mean-log",)
    page.button.click()
    assert "trigger" in page.answer.value
    assert "Score by mean-log" in page.answer.value
    page.title.value = ""
    page.button.click()
    assert page.answer.value == "<b>a question needs a title</b>"
    page.systems.value = ()
    page.button.click()
    assert "choose a system" in page.answer.value
    page.example.value = page.example.options[1]
    assert page.title.value == page.example.options[1]
    assert page.body.value


def test_the_form_is_there_before_the_systems_are_loaded():
    """Neither the module nor a page that has still to load its systems waits for PyTorch."""
    code = (
        "import sys, threading; from stackstudy.ask import page; page._load = lambda *_: threading.Event().wait(0.1); "
        "page.Page('smoke'); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
