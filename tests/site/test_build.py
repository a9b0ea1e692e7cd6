"""The site of a small checkout: every page is there, complete, and asks no other host."""

import json
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from stackstudy.site.build import build_site
from stackstudy.site.drawings import confusion, tag_map
from stackstudy.site.sources import POINTS, experiments

WIDGET = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "Page(children=())"}
NUMBERS = {
    "tags.net.f1": {"value": 0.5, "experiment": "13-net"},
    "tags.net.note": {"value": "<b>", "experiment": "13-net"},
    "tags.sum": {"value": 3, "experiment": "19-comparison"},
}
PROVENANCE = """experiment,notebook,commit,seeds,seconds,machine,parameters,tables,figures
13-net,13-net,abc,0,2.5,Abacus,x,,learning-curve
19-comparison,19-comparison,abc,0,1.0,Abacus,x,tags-summary,tags-systems
"""
PAPER = """Text.

![F1 of *each* system, $R^2$ too.](figures/toy/tags-systems "19-comparison"){#fig:tags-systems width=100%}
"""
DRAWN = """<svg><g><!-- 0.5 --></g><g><!-- epoch --></g><g><!-- R&amp;D loss --></g><g><!-- 10k --></g>
<g><!-- epoch --></g>
<g><!-- $\\mathdefault{10^{-2}}$ --></g></svg>"""
DOT = "iVBORw0KGgo="


def notebook() -> nbformat.NotebookNode:
    cells = [
        new_markdown_cell("# 13 · A net\n\n**Question.** Does it\nlearn?\n\nMore."),
        new_markdown_cell("Prose.\n\n## How far does it get?\n\nMore prose."),
        new_code_cell(
            'run.figure(curve(x), f"learning-curve-{p.name}")', outputs=[new_output("display_data", {"image/png": DOT})]
        ),
        new_code_cell("x = 1", outputs=[new_output("display_data", WIDGET), new_output("stream", text="seen & read")]),
    ]
    return new_notebook(cells=cells, metadata={"widgets": {"state": {}}})


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A checkout whose profile "toy" has collected results and no run folders."""
    monkeypatch.setenv("STACKSTUDY_ROOT", str(tmp_path))
    entries = {"13-net": {}, "19-comparison": {}}
    profile = {"description": "A toy.", "resources": {"timeout_minutes": 1}, "experiments": entries}
    write(tmp_path / "profiles" / "toy.yaml", yaml.safe_dump(profile))
    write(tmp_path / "notebooks" / "13-net.ipynb", nbformat.writes(notebook()))
    results = tmp_path / "results" / "toy"
    write(results / "numbers.json", json.dumps(NUMBERS))
    write(results / "provenance.csv", PROVENANCE)
    write(results / "tables" / "tags-summary.csv", "system,f1_micro\nnet,0.123456\n,1\n")
    for name in entries:
        write(results / "parameters" / f"{name}.yaml", "loss: focal\nseeds: [0, 1]\n")
    (tmp_path / "figures" / "toy").mkdir(parents=True)
    for name in ("tags-systems", "learning-curve"):
        Image.new("RGB", (4, 2)).save(tmp_path / "figures" / "toy" / f"{name}.png")
    write(tmp_path / "figures" / "toy" / "learning-curve.svg", DRAWN)
    return tmp_path


@pytest.fixture
def with_runs(root):
    """The same with the run folder of one experiment."""
    run = root / "runs" / "toy" / "13-net"
    write(run / "params.yaml", "loss: focal\nseeds: [0, 1]\n")
    write(run / "environment.json", json.dumps({"commit": "abcdef", "wall_seconds": 2.5, "versions": {"numpy": "2"}}))
    record = {"key": "k", "notebook": "13-net", "components": {"source": None}}
    write(run / "key.json", json.dumps(record))
    lines = [f"{seed},{epoch},{seed + 1 / epoch},1\n" for seed in (0, 2) for epoch in range(1, 501)]
    write(run / "history.csv", "seed,epoch,train_loss,f1\n" + "".join(lines))
    write(run / "log.txt", "x" * 30_000 + "the end")
    write(run / "notebook.ipynb", nbformat.writes(notebook()))
    write(run / "DONE", "k\n")
    return root


def pages(first: Path) -> dict[str, str]:
    folder = first.parent
    return {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.html"))}


def test_a_site_from_results_alone(root):
    paper = root / "paper.html"
    paper.write_text("<p>paper</p>")
    found = pages(build_site({"toy": paper}))
    expected = ["compare.html", "index.html", "notebooks/13-net.html", "toy/13-net.html", "toy/19-comparison.html"]
    assert list(found) == [*expected, "toy/paper.html", "toy/results.html"]
    assert found["toy/paper.html"] == "<p>paper</p>"
    assert "Does it learn?" in found["index.html"]
    assert "0.1235" in found["toy/results.html"]
    assert "&lt;b&gt;" in found["toy/13-net.html"]


def test_a_figure_is_described_by_its_caption_or_else_by_what_is_written_in_it(root):
    assert 'alt="Tags systems"' in pages(build_site({"toy": None}))["toy/results.html"]
    write(root / "report" / "build" / "toy" / "paper.md", PAPER)
    found = pages(build_site({"toy": None}))
    for name in ("toy/results.html", "toy/19-comparison.html"):
        assert 'alt="F1 of each system, R^2 too."' in found[name]
    assert 'alt="Learning curve: epoch, R&amp;D loss"' in found["toy/13-net.html"]
    assert 'alt="Learning curve, in: How far does it get?"' in found["notebooks/13-net.html"]


def test_every_link_leads_somewhere_and_none_to_another_host(with_runs):
    first = build_site({"toy": None})
    for name, html in pages(first).items():
        for target in re.findall(r'(?:href|src)="([^"]*)"', html):
            assert not target.startswith(("http", "//")), f"{name} asks {target}"
            if not target.startswith(("#", "data:")):
                assert ((first.parent / name).parent / target.partition("?")[0].partition("#")[0]).exists(), target
    assert "paper.html" not in (first.read_text())


def test_an_experiment_with_its_run_has_curves_environment_log_and_its_own_notebook(with_runs):
    (experiment,) = experiments("toy")
    assert experiment.step == "epoch"
    assert len(experiment.curves["train_loss"]) <= POINTS
    assert experiment.curves["train_loss"][0] == (1.0, 2.0)  # the mean over seeds 0 and 2
    found = pages(build_site({"toy": None}))
    assert "numpy 2" in found["toy/13-net.html"]
    assert "[...]" in found["toy/13-net.html"]
    assert "the end" in found["toy/13-net.html"]
    assert "../notebooks/toy/13-net.notebook.html" in found["toy/13-net.html"]
    data = (with_runs / "report" / "build" / "site" / "data.js").read_text()
    runs = json.loads(data.removeprefix("const RUNS = ").rstrip(";\n"))
    assert runs["toy/13-net"]["metrics"] == {"tags.net.f1": 0.5, "tags.net.note": "<b>"}
    assert runs["toy/13-net"]["parameters"]["seeds"] == "[0, 1]"


def test_a_notebook_is_shown_without_widgets_and_scripts(root):
    html = pages(build_site({"toy": None}))["notebooks/13-net.html"]
    article = html.partition("<article")[2].partition("</article>")[0]
    assert "seen &amp; read" in article
    assert "Page(children" not in article
    assert "<script" not in article


def test_the_site_is_the_same_when_nothing_changed_and_old_pages_go(root):
    first = build_site({"toy": None})
    before = pages(first)
    write(first.parent / "old.html", "old")
    assert pages(build_site({"toy": None})) == before


def test_the_map_names_every_label_and_draws_the_frequent_larger():
    svg = tag_map(np.eye(3, 4), ["c++", "<x>", "sql"], np.array([10, 0, 5]))
    assert "<title>&lt;x&gt;: 0 questions</title>" in svg
    radii = [float(r) for r in re.findall(r' r="([\d.]+)"', svg)]
    assert radii[0] > radii[2] > radii[1]


def test_the_matrix_says_what_a_cell_means_and_leaves_empty_ones_out():
    svg = confusion(np.array([[0.5, 0.25], [0, 1]]), ["java", "css"], np.array([1, 0]))
    assert svg.count("<rect") == 3
    assert "java missed and css given instead: 25% of the questions with java" in svg
    assert "css: found in 100% of its questions" in svg
