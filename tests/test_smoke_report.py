"""The whole way at smoke size: from planted questions to a paper whose text is checked."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score

from stackstudy.evaluation.predictions import rows_of
from stackstudy.paper.check import check_text
from stackstudy.paths import figures_dir, project_root, results_dir, runs_dir
from stackstudy.questions.schema import read_questions
from stackstudy.tagspace.space import TagSpace

pytestmark = pytest.mark.slow
REPORT = [str(Path(sys.executable).parent / "stackstudy"), "report", "smoke"]


@pytest.fixture(scope="module")
def paper() -> Path:
    done = subprocess.run(REPORT, cwd=project_root(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return project_root() / done.stdout.strip().splitlines()[-1].strip()


def test_the_last_line_is_the_path_of_a_pdf(paper):
    assert paper.suffix == ".pdf"
    assert paper.read_bytes().startswith(b"%PDF-")


def test_the_text_has_no_open_reference_and_each_figure_once(paper):
    html = paper.with_suffix(".html").read_text()
    check_text(html)
    assert "planted" in html
    numbers = [int(number) for number in re.findall(r"<figcaption[^>]*>Figure.(\d+)", html)]
    assert numbers == list(range(1, len(numbers) + 1))


def test_every_figure_and_value_comes_from_a_finished_run(paper):
    numbers = json.loads((results_dir("smoke") / "numbers.json").read_text())
    assert all((runs_dir("smoke") / entry["experiment"] / "DONE").exists() for entry in numbers.values())
    made = {path.name for run in runs_dir("smoke").iterdir() for path in (run / "figures").glob("*")}
    assert {path.name for path in figures_dir("smoke").iterdir()} <= made


def test_results_hold_no_text_of_the_questions(paper):
    questions = read_questions(runs_dir("smoke") / "01-questions" / "questions.parquet")
    titles = [title for title in questions["title"] if len(title.split()) > 3]
    files = [path for path in results_dir("smoke").rglob("*") if path.is_file()]
    content = "\n".join(path.read_text(encoding="utf-8") for path in files)
    assert len(titles) > 100
    assert not [title for title in titles if title in content]


def test_each_number_and_caption_leads_to_a_run_of_the_appendix(paper):
    html = paper.with_suffix(".html").read_text()
    runs = set(re.findall(r'id="run-([\w-]+)"', html))
    numbers = json.loads((results_dir("smoke") / "numbers.json").read_text())
    assert runs == {entry["experiment"] for entry in numbers.values()}
    captions = re.findall(r"<(figcaption|caption)>(.*?)</\1>", html, re.DOTALL)
    rows_are_runs = ("The runs behind this document", "Sizes of the networks")
    made = [caption for _, caption in captions if not any(title in caption for title in rows_are_runs)]
    assert len(made) > 30
    origin = r'<a\s+href="#run-([\w-]+)">\2</a>|make\s+bench|31-audit\s+of\s+profile\s+audit'
    for caption in made:
        named = re.search(rf'<span class="run">({origin})</span>\s*(</p>)?\s*$', caption)
        assert named, caption
        assert named[2] in {*runs, None}


def test_learning_is_real_and_under_the_ceiling(paper):
    """The network beats giving everyone the same labels, and stays under the best that can be expected."""
    entries = json.loads((results_dir("smoke") / "numbers.json").read_text())
    numbers = {name: entry["value"] for name, entry in entries.items()}
    questions = read_questions(runs_dir("smoke") / "01-questions" / "questions.parquet")
    labels = TagSpace.load(runs_dir("smoke") / "03-tag-centroids" / "tagspace").labels
    truth = labels[rows_of(questions, "test")].toarray()
    shares = labels[rows_of(questions, "train")].toarray().mean(axis=0)
    same_for_all = max(f1_score(truth, np.tile(shares >= cut, (len(truth), 1)), average="micro") for cut in shares)
    assert same_for_all + 0.1 < numbers["tags.body_mlp.f1_micro"] < numbers["ceiling.tags.f1_micro"]


def test_a_second_call_changes_nothing(paper):
    papers = [paper.with_suffix(suffix) for suffix in (".pdf", ".html", ".docx")]
    before = [path.stat().st_mtime_ns for path in papers]
    done = subprocess.run(REPORT, cwd=project_root(), capture_output=True, text=True, check=True)
    assert "up to date" in done.stdout
    assert [path.stat().st_mtime_ns for path in papers] == before
