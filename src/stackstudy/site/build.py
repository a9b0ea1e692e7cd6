"""The report as static pages: papers, notebooks, tables, figures, and a page for every experiment."""

import shutil
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from stackstudy import paths
from stackstudy.paper.text import heading
from stackstudy.runs.display import duration
from stackstudy.site.descriptions import captions, description
from stackstudy.site.drawings import drawings
from stackstudy.site.notebooks import notebook_html, question_of
from stackstudy.site.sources import Experiment, data, experiments, plain, read_table

ASSETS = ("site.css", "site.js")


def build_site(papers: dict[str, Path | None]) -> Path:
    """Write ``report/build/site`` anew for profiles whose results have been collected; return its first page.

    `papers` gives for each profile its HTML paper, or None where it has none.
    """
    target = paths.report_dir() / "build" / "site"
    found = {profile: experiments(profile) for profile in papers}
    with paths.replacing(target) as fresh:
        fresh.mkdir()
        for name in ASSETS:
            (fresh / name).write_bytes(files("stackstudy.site").joinpath(name).read_bytes())
        everything = [each for group in found.values() for each in group]
        (fresh / "data.js").write_text(data(everything), encoding="utf-8")
        pages = _Pages(fresh, found, _notebooks(everything))
        pages.write("index.html", "index", papers=papers)
        pages.write("compare.html", "compare")
        for name, path in pages.notebooks.items():
            pages.write(f"notebooks/{name}.html", "notebook", name=name, html=notebook_html(path))
        for profile, group in found.items():
            pages.profile(profile, group, papers[profile])
    return target / "index.html"


class _Pages:
    """The templates, and the folder that they are written into."""

    def __init__(self, folder: Path, found: dict[str, list[Experiment]], notebooks: dict[str, Path]) -> None:
        self.folder, self.notebooks = folder, notebooks
        self.templates = Environment(
            loader=PackageLoader("stackstudy.site"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        self.templates.filters |= {"heading": heading, "duration": duration, "table": read_table, "plain": plain}
        of_papers = {profile: captions(profile) for profile in found}
        questions = {name: question_of(path) for name, path in notebooks.items()}
        self.templates.globals |= {"found": found, "questions": questions}
        self.templates.globals["alt"] = lambda experiment, name: description(
            name, experiment.figures[name], of_papers[experiment.profile]
        )

    def write(self, place: str, template: str, **values: Any) -> None:
        """Write one page; `place` is its path in the site."""
        path = self.folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        root = "../" * place.count("/")
        html = self.templates.get_template(f"{template}.html").render(root=root, place=place, **values)
        path.write_text(html, encoding="utf-8")

    def profile(self, profile: str, group: Sequence[Experiment], paper: Path | None) -> None:
        """Write the pages of one profile, with its figures and its paper."""
        for experiment in group:
            for name, path in experiment.figures.items():
                copy = self.folder / profile / "figures" / f"{name}.png"
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
            executed = f"{profile}/{experiment.name}.notebook"
            has_page = executed in self.notebooks
            notebook = executed if has_page else experiment.notebook if experiment.notebook in self.notebooks else None
            self.write(f"{profile}/{experiment.name}.html", "experiment", experiment=experiment, notebook=notebook)
        self.write(f"{profile}/results.html", "results", profile=profile, group=group, drawn=drawings(profile))
        if paper:
            shutil.copyfile(paper, self.folder / profile / "paper.html")


def _notebooks(found: Sequence[Experiment]) -> dict[str, Path]:
    """Return the notebooks to be shown by name: those of the project, as committed, and those that runs executed."""
    committed = {path.stem: path for path in sorted(paths.notebooks_dir().glob("*.ipynb"))}
    return committed | dict(_executed(found))


def _executed(found: Sequence[Experiment]) -> Iterator[tuple[str, Path]]:
    for experiment in found:
        if experiment.executed and experiment.executed.exists():
            yield f"{experiment.profile}/{experiment.name}.notebook", experiment.executed
