"""The Lua filters: references as pandoc-crossref prints them, stricter where it lets an error through."""

import json
import re
import subprocess
from pathlib import Path

import pypandoc
import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILTERS = ROOT / "report" / "filters"
HERE = Path(__file__).parent / "crossref"
CASES = yaml.safe_load((HERE / "cases.yaml").read_text(encoding="utf-8"))
GOLDEN = ROOT.parent / "shared" / "crossref"


def pandoc(source, target, *options, filters=("crossref.lua",)):
    command = [pypandoc.get_pandoc_path(), "-f", "markdown", "-t", target, "--wrap", "none", *options]
    command += [part for name in filters for part in ("--lua-filter", str(FILTERS / name))]
    return subprocess.run(command, input=source, capture_output=True, text=True, check=False)


def source_of(case):
    document = (HERE / "document.md").read_text(encoding="utf-8")
    settings = yaml.safe_dump(case.get("settings", {}), allow_unicode=True)
    return f"---\n{settings}---\n\n{document}\n\n::: {{#probe}}\n{case['text']}\n:::\n\n{case.get('after', '')}\n"


def probe(html):
    return re.search(r'<div id="probe">\n(.*)\n</div>', html, re.DOTALL)[1]


def plain_spaces(html):
    """Show no-break spaces as «~»; spaces of special widths, which stand in formulas, as one space."""
    return re.sub(r"[\u2000-\u200a]+", " ", html.replace("\u00a0", "~"))


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "html" in case])
def test_reference_reads(name):
    case = CASES[name]
    done = pandoc(source_of(case), "html")
    assert (done.returncode, done.stderr) == (0, "")
    assert plain_spaces(probe(done.stdout)) == case["html"]
    for part in case.get("contains", "").split("|"):
        assert part in plain_spaces(done.stdout)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "error" in case])
def test_error_names_the_reference(name):
    done = pandoc(source_of(CASES[name]), "html")
    assert done.returncode != 0
    assert CASES[name]["error"] in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("target", ["docx", "plain"])
def test_other_formats_say_the_same(target, tmp_path):
    """The words of references and captions are in the document itself, whatever the format."""
    case = CASES["several kinds in one bracket"]
    done = pandoc(source_of(case), target, "-o", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    text = pypandoc.convert_file(tmp_path / "out", "plain", format="docx") if target == "docx" else ""
    text = (text or (tmp_path / "out").read_text(encoding="utf-8")).replace("\u00a0", " ")
    assert "fig. 2, tbl. 2, eq. 1, fig. 1" in text
    assert "Figure 1: North" in text
    assert "Listing 1: Measuring" in text


@pytest.mark.parametrize(
    ("target", "rule"), [("typst", "figure.caption: it => it.body"), ("latex", "labelformat=empty")]
)
def test_captions_are_numbered_once(target, rule):
    done = pandoc(source_of(CASES["one of each kind"]), target, "--standalone")
    assert rule in done.stdout
    assert done.stdout.count("Figure 1: North") == (2 if "alt={Figure 1" in done.stdout else 1)


def test_typst_compiles_with_links_and_numbered_equations(tmp_path):
    import typst
    from PIL import Image

    Image.new("RGB", (4, 4)).save(tmp_path / "wind.png")
    case = CASES["links with the prefix in them"]
    case = case | {"text": case["text"] + " @eq:force @tbl:gusts @lst:measure"}
    done = pandoc(source_of(case), "typst", "--standalone")
    assert "[(1)]" in done.stdout
    assert typst.compile(done.stdout.encode(), root=tmp_path).startswith(b"%PDF")


def test_unsupported_setting_is_an_error():
    done = pandoc("---\nchapters: true\n---\n\n# A\n", "html")
    assert done.returncode != 0
    assert "chapters" in done.stderr


def test_all_problems_are_listed():
    done = pandoc("@fig:one and @tbl:two", "html")
    assert "fig:one" in done.stderr
    assert "tbl:two" in done.stderr


BREAKS = "#### Heading \\newline\n\none\\newline\ntwo\n\n\\newpage\n\nthree\n\\newpage\nfour\n"


@pytest.mark.parametrize(
    ("target", "line", "page"),
    [
        ("html", "one<br />", '<div style="break-after: page"></div>'),
        ("typst", "one \\\n", "#pagebreak(weak: true)"),
        ("plain", "one\ntwo", "\f"),
        ("latex", "one\\newline", "\\newpage"),
    ],
)
def test_breaks(target, line, page):
    out = pandoc(BREAKS, target, filters=("breaks.lua",)).stdout
    assert line in out
    assert out.count(page) == 2
    if target != "latex":
        assert "newline" not in out
        assert out.index("three") < out.rindex(page) < out.index("four")


def test_breaks_in_docx(tmp_path):
    pandoc(BREAKS, "docx", "-o", str(tmp_path / "x.docx"), filters=("breaks.lua",))
    import zipfile

    document = zipfile.ZipFile(tmp_path / "x.docx").read("word/document.xml").decode()
    assert document.count('<w:br w:type="page"') == 2
    assert document.count("<w:br />") == 1


@pytest.mark.parametrize(("target", "stays"), [("html", True), ("typst", False), ("docx", False), ("latex", False)])
def test_what_is_for_html_only_stands_nowhere_else(target, stays, tmp_path):
    source = "before\n\n::: only-html\n| a |\n| - |\n| secret |\n:::\n\nafter\n"
    written = tmp_path / "out"
    pandoc(source, target, "-o", str(written), filters=("formats.lua",))
    text = pypandoc.convert_file(str(written), "plain", format=target) if target == "docx" else written.read_text()
    assert ("secret" in text) == stays
    assert "after" in text


SIGNED = """![A *shape*.](shape "01-a"){#fig:shape}

<!-- run: 02-b -->

| N |
|--:|
| 1 |

: Sizes. {#tbl:sizes}

<!-- run: 03-c -->

| N |
|--:|
| 2 |

![Of none](other)

[01-a]{#run-01-a}
"""


def test_a_caption_ends_with_its_run_linked_if_the_document_lists_it():
    html = pandoc(SIGNED, "html", filters=("crossref.lua", "origins.lua")).stdout
    figure, other = re.findall(r"<figure.*?</figure>", html, re.DOTALL)
    assert 'Figure 1: A <em>shape</em>. <span class="run"><a href="#run-01-a">01-a</a></span>' in plain_spaces(figure)
    assert 'alt="Figure 1: A shape."' in plain_spaces(figure)
    assert "title=" not in figure
    assert "run" not in other
    assert 'Table 1: Sizes. <span class="run">02-b</span></caption>' in plain_spaces(html)
    assert '</table>\n<p><span class="run">03-c</span></p>' in html
    assert "<!--" not in html


@pytest.mark.parametrize(
    ("target", "small"),
    [("typst", "Sizes. #text(size: 0.85em, fill: quiet)[02-b]"), ("latex", "Sizes. {\\footnotesize 02-b}")],
)
def test_a_run_is_small_in_every_format(target, small):
    assert small in pandoc(SIGNED, target, filters=("crossref.lua", "origins.lua")).stdout.replace("~", " ")


def test_small_print_has_smaller_tables_that_may_break():
    source = "::: small-print\n| N |\n|--:|\n| 1 |\n:::\n\nafter\n"
    out = pandoc(source, "typst", filters=("formats.lua",)).stdout
    assert "#show table: set text(size: 8pt)" in out
    assert (
        out.index("breakable: true")
        < out.index("#figure")
        < out.index("\n]\n", out.index("#figure"))
        < out.index("after")
    )
    assert '<div class="small-print">' in pandoc(source, "html", filters=("formats.lua",)).stdout


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="the outputs of the original filter are not beside this checkout")
def test_same_as_the_original():
    golden = json.loads((GOLDEN / "golden.json").read_text(encoding="utf-8"))
    assert len(golden) == 43
    for name, case in golden.items():
        source = (GOLDEN / "cases" / f"{name}.md").read_text(encoding="utf-8")
        done = pandoc(source, "html", "--template", str(GOLDEN / "cases" / "body.tpl"))
        assert (done.returncode != 0) == (case["ours"] == "error"), (name, done.stderr)
        if case["ours"] == "same" and case["real"] is not None:
            found = re.search(r'<div id="probe">\n(.*)\n</div>', done.stdout, re.DOTALL)
            assert found, name
            assert found[1] == case["real"], name
