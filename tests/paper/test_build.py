"""Building the paper: three formats from one source, reproducible, and strict."""

import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pypandoc
import pytest

from stackstudy.paper import build as build_module
from stackstudy.paper.build import build, head_commit
from stackstudy.paper.check import check_text
from stackstudy.paper.collect import collect

CHAPTER = """# First {#sec:first}

We count {{ data.rows | thousands }} rows [@Chen_2016]; see [@fig:shape; @fig:other], [@tbl:sizes] and [@eq:mean].

![Shape of {{ data.rows | thousands }} rows.]({{ figure("shape") }}){#fig:shape width=60%}

![Another.]({{ figure("other") }}){#fig:other width=60%}

{{ table("sizes") }}

: Sizes. {#tbl:sizes}

$$ m = \\frac{1}{n} \\sum_i x_i $$ {#eq:mean}

\\newpage

# References {-}

::: {#refs}
:::
"""
METADATA = """title: "Of {{ data.corpus }} rows"
author: [The stackstudy authors]
date: "{{ date }}, profile {{ profile }}, commit {{ commit }}"
lang: en-GB
figPrefix: [Figure, Figures]
"""


@pytest.fixture
def paper(project):
    project.run(
        "01-a", {"data": {"rows": 12000, "corpus": "planted"}}, {"sizes": "name,size\nc++,1\n"}, ("shape", "other")
    )
    project.use_real_report()
    project.chapter("01-first.md", CHAPTER)
    (project.root / "report/metadata.yaml").write_text(METADATA)
    collect("toy")
    return project


def test_three_formats_say_the_same(paper, capsys):
    pdf, html, docx = build("toy")
    assert capsys.readouterr().out.startswith("engine typst: ")
    assert pdf == paper.root / "report/build/toy/stackstudy.pdf"
    page = html.read_text(encoding="utf-8")
    words = pypandoc.convert_file(docx, "plain", format="docx", extra_args=["--wrap=none"])
    for text in (re.sub(r"<[^>]+>", "", page).replace("\u00a0", " "), words.replace("\u00a0", " ")):
        assert "We count 12,000 rows (Chen and Guestrin 2016); see Figures 1, 2, tbl. 1 and eq. 1." in text
        assert "Figure 1: Shape of 12,000 rows." in text
        assert "Table 1: Sizes. 01-a" in text
    assert 'Shape of 12,000 rows. <span class="run">01-a</span>' in page
    check_text(page)
    assert "Of planted rows" in page
    assert "14 November 2023, profile toy, commit none" in page


def test_html_is_one_file_with_mathml(paper):
    page = build("toy", formats=["html"])[0].read_text(encoding="utf-8")
    assert "<math" in page
    assert not re.findall(r'(?:src|href)="(?!data:|#|https://doi\.org/|https://arxiv\.org/)', page)


def test_pdf_embeds_its_fonts(paper):
    if not shutil.which("pdffonts"):
        pytest.skip("pdffonts (poppler-utils) is not installed")
    pdf = build("toy", formats=["pdf"])[0]
    fonts = subprocess.run(["pdffonts", pdf], capture_output=True, text=True, check=True).stdout.splitlines()[2:]
    assert any("Libertinus" in line for line in fonts)
    assert all(re.search(r"\byes\s+yes\s+yes\b", line) for line in fonts)


def test_two_builds_give_the_same_bytes(paper):
    first = [path.read_bytes() for path in build("toy")]
    shutil.rmtree(paper.root / "report/build")
    assert [path.read_bytes() for path in build("toy")] == first


def test_unchanged_paper_is_not_built_again(paper, monkeypatch):
    build("toy")
    times = [path.stat().st_mtime_ns for path in build("toy")]
    monkeypatch.setattr(build_module, "MAKERS", dict.fromkeys(("pdf", "html", "docx"), pytest.fail))
    assert [path.stat().st_mtime_ns for path in build("toy")] == times


@pytest.mark.parametrize("change", ["chapter", "figure", "style", "date"])
def test_every_input_counts(paper, monkeypatch, change):
    target = build("toy", formats=["html"])[0]
    before = target.stat().st_mtime_ns
    match change:
        case "chapter":
            paper.chapter("02-more.md", "# More\n")
        case "figure":
            (paper.root / "figures/toy/other.png").write_bytes((paper.root / "figures/toy/shape.png").read_bytes()[:-1])
        case "style":
            (paper.root / "report/style/paper.css").write_text("body { color: black }")
        case "date":
            monkeypatch.setenv("SOURCE_DATE_EPOCH", "1600000000")
    build("toy", formats=["html"])
    assert target.stat().st_mtime_ns != before


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("See [@fig:gone].", "undefined reference fig:gone"),
        ("See [@Nobody_1900].", "Nobody_1900"),
        ("![A](nowhere.png){#fig:nowhere}", "nowhere.png"),
        ("Is it so??", r"open reference.*Is it so"),
        ("{{ cnn }}", r"02-bad\.md, line 1: 'cnn' is undefined"),
    ],
)
def test_what_is_wrong_stops_the_build(paper, text, why):
    paper.chapter("02-bad.md", text)
    with pytest.raises(ValueError, match=why):
        build("toy", formats=["html"])
    assert not (paper.root / "report/build/toy/stackstudy.html").exists()


def test_crossref_engine_says_what_is_missing(paper, monkeypatch):
    monkeypatch.setenv("PATH", os.devnull)
    with pytest.raises(FileNotFoundError, match=r"pandoc, pandoc-crossref, tectonic .*environment\.yml"):
        build("toy", engine="crossref")


def test_both_engines_read_the_same_source(paper, monkeypatch):
    """A stand-in for pandoc-crossref, made of the project's own filter, shows that the engine finds and runs it."""
    programs = paper.root / "bin"
    programs.mkdir()
    (programs / "pandoc").symlink_to(pypandoc.get_pandoc_path())
    stand_in = programs / "pandoc-crossref"
    crossref = paper.root / "report/filters/crossref.lua"
    stand_in.write_text(f"#!/bin/sh\nexec {programs}/pandoc -f json -t json --lua-filter {crossref}\n")
    stand_in.chmod(0o755)
    own = build("toy", formats=["html"])[0].read_bytes()
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    assert build("toy", engine="crossref", formats=["html"])[0].read_bytes() == own


def test_unknown_engine_and_format(paper):
    with pytest.raises(ValueError, match="unknown engine 'word'; there are: typst, crossref"):
        build("toy", engine="word")
    with pytest.raises(ValueError, match="unknown format epub; there are: pdf, html, docx"):
        build("toy", formats=["epub"])


def test_no_chapters(paper):
    (paper.root / "report/chapters/01-first.md").unlink()
    with pytest.raises(FileNotFoundError, match=r"no chapters NN-name\.md"):
        build("toy")


def test_commit_and_its_date(tmp_path, monkeypatch):
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert head_commit(tmp_path)[0] == "none"  # a downloaded archive has no commit, and still gets its paper
    monkeypatch.setenv("GIT_COMMITTER_DATE", "1700000000 +0000")
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    (tmp_path / "a").write_text("1")
    for command in (["init", "-q"], ["add", "a"], [*who, "commit", "-q", "-m", "A"]):
        subprocess.run(["git", "-C", tmp_path, *command], check=True)
    commit, epoch = head_commit(tmp_path)
    assert re.fullmatch("[0-9a-f]{7,}", commit)
    assert epoch == 1700000000
    (tmp_path / "a").write_text("2")
    assert head_commit(tmp_path)[0] == f"{commit} + changes"


def test_word_file_has_the_figures(paper):
    names = zipfile.ZipFile(build("toy", formats=["docx"])[0]).namelist()
    assert sum(Path(name).suffix == ".png" for name in names) == 2
