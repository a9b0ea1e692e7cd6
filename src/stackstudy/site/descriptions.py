"""What a figure shows, in words, for whoever does not see it."""

import html
import re
from collections.abc import Mapping
from pathlib import Path

from nbformat import NotebookNode

from stackstudy import paths
from stackstudy.paper.text import heading

CAPTION = re.compile(r'^!\[(?P<caption>.*)\]\((?P<path>\S+) "[^"]*"\)\{#fig:', re.MULTILINE)
MARKUP = re.compile(r"[*`$]|\\(?=\W)")
WRITTEN = re.compile(r"<!-- (.*?) -->", re.DOTALL)  # beside each text that matplotlib draws
NUMBER = re.compile(r"[\d\s.,%k$^{}\\×±−+-]+|.*mathdefault.*")
FIGURE = re.compile(r'run\.figure\(.*, f?"([\w-]+)')
SECTION = re.compile(r"^#+ (.*)$", re.MULTILINE)


def captions(profile: str) -> dict[str, str]:
    """Return the captions of the figures that the paper of a profile shows, by name; none before it was built."""
    paper = paths.report_dir() / "build" / profile / "paper.md"
    found = CAPTION.finditer(paper.read_text(encoding="utf-8")) if paper.exists() else ()
    return {Path(match["path"]).name: MARKUP.sub("", match["caption"]) for match in found}


def description(name: str, figure: Path, of_paper: Mapping[str, str]) -> str:
    """Return the caption of a figure in the paper, or else what is written in it besides numbers."""
    if name in of_paper:
        return of_paper[name]
    drawn = figure.with_suffix(".svg")
    texts = WRITTEN.findall(drawn.read_text(encoding="utf-8")) if drawn.exists() else []
    words = dict.fromkeys(html.unescape(text) for text in texts if not NUMBER.fullmatch(text))
    return f"{heading(name)}{': ' if words else ''}{', '.join(words)}"


def describe_images(notebook: NotebookNode) -> None:
    """Give each picture of a notebook the name that its cell saves it by and the section in which it stands."""
    section = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            section = ([section, *SECTION.findall(cell.source)])[-1]
            continue
        named = FIGURE.search(cell.source)
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                title = heading(named[1].strip("-")) if named else "A figure"
                output.setdefault("metadata", {}).setdefault("image/png", {})["alt"] = f"{title}, in: {section}"
