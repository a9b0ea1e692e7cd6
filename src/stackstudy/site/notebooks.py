"""Executed notebooks as pieces of HTML: without styles, scripts and widgets of their own."""

from pathlib import Path

import nbformat
from nbconvert import HTMLExporter

from stackstudy.site.descriptions import describe_images

WIDGET = "application/vnd.jupyter.widget-view+json"


def notebook_html(path: Path) -> str:
    """Return the cells of a notebook with their outputs."""
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        cell.outputs = [each for each in cell.get("outputs", []) if WIDGET not in each.get("data", {})]
    describe_images(notebook)
    exporter = HTMLExporter(template_name="basic", exclude_anchor_links=True, exclude_input_prompt=True)
    exporter.exclude_output_prompt = True
    return exporter.from_notebook_node(notebook)[0]


def question_of(path: Path) -> tuple[str, str]:
    """Return the title of a notebook and the question that it asks."""
    first = nbformat.read(path, as_version=4).cells[0].source
    title, _, rest = first.partition("\n")
    question = rest.partition("**Question.**")[2].strip().partition("\n\n")[0]
    return title.lstrip("# "), " ".join(question.split())
