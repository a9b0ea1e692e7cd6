"""The appendix that leads from every number of a paper to its run: the runs, and the numbers by chapter."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from stackstudy import paths
from stackstudy.paper import text
from stackstudy.paper.finished import read_json
from stackstudy.runs.display import duration
from stackstudy.runs.profile import read_profile
from stackstudy.runs.yaml_files import read_yaml

TEST = ("difference", "low", "high", "p")  # leaves of a paired test


class Origins(NamedTuple):
    """Which experiment the collected results of a profile come from."""

    profile: str
    numbers: dict[str, dict[str, Any]]  # value and experiment, by dotted path
    runs: list[dict[str, str]]  # rows of provenance.csv

    @classmethod
    def read(cls, profile: str) -> "Origins":
        """Read the results of a profile. FileNotFoundError: there are none."""
        results = paths.results_dir(profile)
        with (results / "provenance.csv").open(encoding="utf-8", newline="") as lines:
            return cls(profile, read_json(results / "numbers.json"), list(csv.DictReader(lines)))

    def maker(self, kind: str, name: str) -> str | None:
        """Return the experiment that made a figure or a table; None for what no run made."""
        return next((run["experiment"] for run in self.runs if name in run[kind].split()), None)

    @property
    def machines(self) -> str:
        """Return what the runs were made on."""
        return ", ".join(sorted({run["machine"] for run in self.runs}))

    def runs_table(self) -> str:
        """Return the runs as a pipe table; each can be linked to as ``#run-<experiment>``."""
        heads = ("Run", "Notebook", "Commit", "Seeds", "Wall time", "Parameters")
        marks = (":---", ":---", ":---", ":---", "---:", ":---")
        return text.pipes([heads, marks, *map(self._run_cells, self.runs)])

    def settings(self, experiments: Sequence[str], names: Sequence[str], other: str) -> str:
        """Return parameters of runs as a pipe table, each beside what the profile `other` writes for it.

        ValueError: an experiment or a parameter is not there, in these results or in the other profile.
        """
        heads = ["Run", *(head for name in names for head in (text.heading(name), f"in `{other}`"))]
        marks = [":---", *["---:"] * (2 * len(names))]
        there = {name: entry.parameters for name, entry in read_profile(other).experiments.items()}
        rows = []
        for experiment in experiments:
            sides = self._parameters(experiment), there.get(experiment, {})
            if missing := [name for name in names if any(name not in side for side in sides)]:
                raise ValueError(f"no parameter {missing[0]} of {experiment} here or in profile {other}")
            cells = [_setting(side[name]) for name in names for side in sides]
            rows.append([f"[{text.escape(experiment)}](#run-{experiment})", *cells])
        return text.pipes([heads, marks, *rows])

    def numbers_by_run(self, used: Mapping[str, Iterable[str]]) -> str:
        """Return a list per chapter of the numbers that it uses: an item for each run, in the order of the text.

        `used` has the dotted paths by chapter, as Markdown that names it.
        """
        return "\n\n".join("\n".join([f"{where}\n", *self._items(found)]) for where, found in used.items())

    def _parameters(self, experiment: str) -> dict[str, Any]:
        path = paths.results_dir(self.profile) / "parameters" / f"{experiment}.yaml"
        return read_yaml(path) if path.exists() else {}

    def _run_cells(self, run: dict[str, str]) -> list[str]:
        name = run["experiment"]
        parameters = f"../../../results/{self.profile}/parameters/{name}.yaml"  # from the folder of the paper
        return [
            f"[{text.escape(name)}]{{#run-{name}}}",
            text.escape(run["notebook"]),
            text.escape(run["commit"]),
            seeds(run["seeds"]),
            duration(float(run["seconds"])) if run["seconds"] else "–",
            f"[{run['parameters'][:7]}]({parameters})",
        ]

    def _items(self, found: Iterable[str]) -> list[str]:
        by_run: dict[str, dict[str, float | str]] = {}
        for path in found:
            by_run.setdefault(self.numbers[path]["experiment"], {})[path] = self.numbers[path]["value"]
        return [
            f"- [{text.escape(experiment)}](#run-{experiment}): "
            + "; ".join(f"`{name}` {shown}" for name, shown in together(values).items())
            for experiment, values in by_run.items()
        ]


def together(values: Mapping[str, float | str]) -> dict[str, str]:
    """Return values as the text shows them, by name: those of an interval or of a test are one."""
    shown = {}
    for path, value in values.items():
        stem = path.rpartition(".")[0]
        test = [values.get(f"{stem}.{leaf}") for leaf in TEST]
        low, high = values.get(f"{path}_low"), values.get(f"{path}_high")
        if None not in test:
            shown[stem] = text.test_result(*test)
        elif None not in (low, high):
            shown[path] = text.with_interval(value, low, high)
        elif not text.is_bound(path, values):
            shown[path] = _shown(value)
    return shown


def seeds(listed: str) -> str:
    """Return ``0 1 2 3 4`` as ``0–4``, and what has gaps as it is, with commas."""
    numbers = [int(seed) for seed in listed.split()]
    if len(numbers) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]}–{numbers[-1]}"
    return ", ".join(map(str, numbers)) or "–"


def _setting(value: float | str | Sequence[float | str]) -> str:
    return " / ".join(map(_setting, value)) if isinstance(value, list | tuple) else _shown(value)


def _shown(value: float | str) -> str:
    if isinstance(value, str | bool):
        return text.escape(str(value))
    return text.thousands(value) if isinstance(value, int) else text.f(value, text.fitting_digits([value]))
