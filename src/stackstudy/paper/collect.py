"""Gather what finished runs left: values, tables and figures for the paper, each with the run that made it."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from stackstudy import paths
from stackstudy.paper import provenance
from stackstudy.paper.finished import Run, finished_runs, has_results, read_json
from stackstudy.runs.profile import experiment_names

SHOWN = re.compile(r"""\bfigure\(\s*["']([\w-]+)["']""")  # a figure in a chapter
NAMED = 10  # values that an error names one by one


def collect(profile: str) -> None:
    """Bring ``results/<profile>`` and ``figures/<profile>`` in line with the finished runs of `profile`.

    Numbers and tables are taken all, figures as far as the report shows them. A file whose bytes stay the same is not
    written again; a file that no finished run makes any more is removed.
    ValueError: two runs give the same value, table or figure; or a run is gone whose values had been collected.
    """
    runs = finished_runs(profile)
    results = paths.results_dir(profile)
    numbers = _numbers(runs)
    tables, figures = _products(runs, "tables", (".csv",)), _products(runs, "figures", (".png", ".svg"))
    _check_nothing_is_gone(profile, runs)
    shown = _shown_figures()
    _write(results / "numbers.json", _json_bytes(numbers))
    _write(results / "keys.json", _json_bytes(provenance.keys(runs)))
    _write(results / "provenance.csv", provenance.table(runs))
    _mirror({name: path.read_bytes() for name, path in tables.items()}, results / "tables")
    _mirror({f"{run.experiment}.yaml": provenance.parameters(run) for run in runs}, results / "parameters")
    _mirror(
        {name: path.read_bytes() for name, path in figures.items() if path.stem in shown}, paths.figures_dir(profile)
    )


def _leaves(tree: Mapping[str, Any], source: Path, prefix: str = "") -> Iterator[tuple[str, float | str]]:
    """Yield (dotted path, value) of a nested mapping; a leaf at the top, or that is no number or text, is an error."""
    for name, value in tree.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from _leaves(value, source, f"{path}.")
        elif not prefix:
            raise ValueError(f"{source}: {path} stands alone; give it a name above, such as questions.{path}")
        elif isinstance(value, int | float | str):
            yield path, value
        else:
            raise ValueError(f"{source}: {path} is {value!r}; a value of the paper is a number or a text")


def _numbers(runs: Iterable[Run]) -> dict[str, dict[str, Any]]:
    """Return leaf path -> value and experiment, over all runs."""
    numbers: dict[str, dict[str, Any]] = {}
    for run in runs:
        source = run.folder / "metrics.json"
        for path, value in _leaves(read_json(source), source):
            if path in numbers:
                raise ValueError(
                    f"value {path} comes from two runs: {numbers[path]['experiment']} and {run.experiment}"
                )
            numbers[path] = {"value": value, "experiment": run.experiment}
    return numbers


def _products(runs: Iterable[Run], kind: str, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Return file name -> path of all files of a kind (``tables`` or ``figures``) over all runs."""
    found: dict[str, Path] = {}
    for run in runs:
        for path in run.files(kind, suffixes):
            if path.name in found:
                first = found[path.name].parent.parent.name
                raise ValueError(f"{kind}/{path.name} comes from two runs: {first} and {run.experiment}")
            found[path.name] = path
    return found


def _check_nothing_is_gone(profile: str, runs: Iterable[Run]) -> None:
    """Raise a ValueError that names the collected values of experiments of the profile whose runs are not there."""
    if not has_results(profile):
        return
    missing = set(experiment_names(profile)) - {run.experiment for run in runs}
    collected = read_json(paths.results_dir(profile) / "numbers.json")
    gone = [path for path, entry in collected.items() if entry["experiment"] in missing]
    if gone:
        folders = sorted({collected[path]["experiment"] for path in gone})
        more = f" and {len(gone) - NAMED} more" if len(gone) > NAMED else ""
        raise ValueError(
            f"no finished run of {', '.join(folders)} in {paths.runs_dir(profile)}, and with it {len(gone)} numbers of"
            f" results/{profile} are gone: {', '.join(gone[:NAMED])}{more}; type `stackstudy run {profile}` to make"
            f" them again, or remove runs/{profile} to use the results as they are"
        )


def _shown_figures() -> set[str]:
    """Return the names of the figures that the report shows."""
    report = paths.report_dir()
    sources = [*sorted((report / "chapters").glob("*.md")), *report.glob("*.md")]
    return {name for source in sources for name in SHOWN.findall(source.read_text(encoding="utf-8"))}


def _json_bytes(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _mirror(contents: Mapping[str, bytes], target: Path) -> None:
    """Make `target` hold exactly these files."""
    for name, content in contents.items():
        _write(target / name, content)
    for path in target.glob("*"):
        if path.is_file() and path.name not in contents:
            path.unlink()


def _write(path: Path, content: bytes) -> None:
    if path.is_file() and path.read_bytes() == content:
        return
    with paths.replacing(path) as fresh:
        fresh.write_bytes(content)
