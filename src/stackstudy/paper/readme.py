"""The results at the opening of the README: the template ``report/readme.md``, rendered between two marks."""

from functools import partial
from pathlib import Path

from stackstudy import paths
from stackstudy.paper.values import Chapters

BEGIN, END = "<!-- results: written by `stackstudy readme` -->", "<!-- end of results -->"


def write_readme(profile: str) -> Path:
    """Bring the results in ``README.md`` in line with those of a profile; return its path."""
    path = paths.project_root() / "README.md"
    content = with_results(path.read_text(encoding="utf-8"), profile)
    with paths.replacing(path) as fresh:
        fresh.write_text(content, encoding="utf-8")
    return path


def with_results(readme: str, profile: str) -> str:
    """Return a README with the results of a profile between the marks; without marks, before the first section.

    ValueError: one mark without the other, or nowhere to put them.
    """
    if BEGIN in readme and END in readme:
        before, _, rest = readme.partition(BEGIN)
        after = rest.partition(END)[2]
    elif BEGIN in readme or END in readme or "\n## " not in readme:
        raise ValueError(f"README.md has no place for the results: it needs a line {BEGIN} and, after it, {END}")
    else:
        before, _, after = readme.partition("\n## ")
        before, after = before + "\n", "\n\n## " + after
    return f"{before}{BEGIN}\n\n{_results(profile)}\n{END}{after}"


def _results(profile: str) -> str:
    chapters = Chapters(profile, figure=partial(_image, profile))
    return chapters.render(paths.report_dir() / "readme.md")


def _image(profile: str, name: str) -> str:
    """Return the path of a figure as PNG, as a page on the web shows it."""
    path = paths.figures_dir(profile) / f"{name}.png"
    if not path.exists():
        raise ValueError(f"no figure {path.name} in figures/{profile}")
    return path.relative_to(paths.project_root()).as_posix()
