"""What the site shows of an experiment, from its run folder, or without one from the collected results."""

import csv
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stackstudy import paths
from stackstudy.paper.finished import Run, finished_runs, has_runs, read_json
from stackstudy.runs.yaml_files import read_yaml

LOG_CHARACTERS = 20_000  # of the end of a log
STEPS = ("epoch", "step", "round")  # columns of a history along which a course is drawn
POINTS = 200  # of a curve, at most
Table = list[list[str]]  # heads, then rows
Curves = dict[str, list[tuple[float, float]]]


@dataclass(frozen=True)
class Experiment:
    """One finished experiment; what is not at hand without its run folder is empty."""

    profile: str
    name: str
    notebook: str
    seconds: float | None
    parameters: dict[str, Any]
    metrics: dict[str, Any]  # by dotted path
    tables: dict[str, Path]
    figures: dict[str, Path]  # PNG
    environment: dict[str, Any] = field(default_factory=dict)
    curves: Curves = field(default_factory=dict)
    step: str = ""  # of the curves
    log: str = ""
    executed: Path | None = None

    @property
    def id(self) -> str:
        return f"{self.profile}/{self.name}"

    @property
    def is_comparison(self) -> bool:
        """Whether it sets systems side by side: what a reader looks for first."""
        return "comparison" in self.notebook


def experiments(profile: str) -> list[Experiment]:
    """Return the finished experiments of a profile, whose results have been collected."""
    numbers: dict[str, dict[str, Any]] = defaultdict(dict)
    for path, entry in read_json(paths.results_dir(profile) / "numbers.json").items():
        numbers[entry["experiment"]][path] = entry["value"]
    if has_runs(profile):
        return [_of_run(profile, run, numbers[run.experiment]) for run in finished_runs(profile)]
    with (paths.results_dir(profile) / "provenance.csv").open(encoding="utf-8", newline="") as lines:
        return [_of_results(profile, row, numbers[row["experiment"]]) for row in csv.DictReader(lines)]


def read_table(path: Path) -> Table:
    """Return a CSV, heads first, numbers to four digits."""
    with path.open(encoding="utf-8", newline="") as lines:
        return [[_shown(cell) for cell in row] for row in csv.reader(lines)]


def data(found: Iterable[Experiment]) -> str:
    """Return the script that gives the pages what they search, draw and compare: no request is made for it."""
    content = {
        each.id: {
            "notebook": each.notebook,
            "parameters": {name: plain(value) for name, value in each.parameters.items()},
            "metrics": each.metrics,
            "step": each.step,
            "curves": each.curves,
        }
        for each in found
    }
    return f"const RUNS = {json.dumps(content, ensure_ascii=False, separators=(',', ':'))};\n"


def plain(value: Any) -> str:
    """Return a parameter, or what is known of an environment, as text."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {plain(each)}" for name, each in value.items())
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _of_run(profile: str, run: Run, metrics: dict[str, Any]) -> Experiment:
    step, curves = _curves(run.folder / "history.csv")
    return Experiment(
        profile,
        run.experiment,
        run.notebook,
        run.environment.get("wall_seconds"),
        run.parameters,
        metrics,
        {path.stem: path for path in run.files("tables", (".csv",))},
        {path.stem: path for path in run.files("figures", (".png",))},
        run.environment,
        curves,
        step,
        _log(run.folder / "log.txt"),
        run.folder / "notebook.ipynb",
    )


def _of_results(profile: str, row: dict[str, str], metrics: dict[str, Any]) -> Experiment:
    results, name = paths.results_dir(profile), row["experiment"]
    parameters = read_yaml(results / "parameters" / f"{name}.yaml")
    tables = {stem: results / "tables" / f"{stem}.csv" for stem in row["tables"].split()}
    figures = {stem: paths.figures_dir(profile) / f"{stem}.png" for stem in row["figures"].split()}
    there = {stem: path for stem, path in figures.items() if path.exists()}  # those that the report shows
    environment = {"commit": row["commit"], "machine": row["machine"]}
    seconds = float(row["seconds"]) if row["seconds"] else None
    return Experiment(profile, name, row["notebook"], seconds, parameters, metrics, tables, there, environment)


def _log(path: Path) -> str:
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    return text if len(text) <= LOG_CHARACTERS else "[...]\n" + text[-LOG_CHARACTERS:]


def _curves(path: Path) -> tuple[str, Curves]:
    """Return along what a history runs, and its numbers by column and system: the mean over seeds at each step."""
    if not path.exists():
        return "", {}
    with path.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    step = next((name for name in STEPS if rows and name in rows[0]), "")
    values: dict[str, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        who = " ".join(row[name] for name in ("system", "part") if row.get(name))
        for name, cell in row.items():
            if step and row[step] and cell and name not in (step, "seed", "system", "part", "alpha", "setting"):
                values[f"{name} {who}".strip()][float(row[step])].append(float(cell))
    return step, {name: _thinned(points) for name, points in values.items() if len(points) > 1}


def _thinned(points: dict[float, list[float]]) -> list[tuple[float, float]]:
    means = [(at, sum(values) / len(values)) for at, values in sorted(points.items())]
    every = -(-len(means) // POINTS)
    return means[::every]


def _shown(cell: str) -> str:
    try:
        return f"{float(cell):.4g}" if "." in cell or "e" in cell else cell
    except ValueError:
        return cell
