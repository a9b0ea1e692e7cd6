"""Which trained systems of a profile can be asked; nothing is loaded for it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from stackstudy.paths import runs_dir
from stackstudy.runs.profile import experiment_names
from stackstudy.runs.yaml_files import read_yaml

COMPARISONS = {"tags": ("19-tags-comparison", "best"), "scores": ("29-scores-comparison", "best_log")}


@dataclass(frozen=True)
class Choice:
    """One saved system."""

    folder: Path  # that holds its ``model.json``
    run: Path
    system: str
    kind: Literal["tags", "scores"]

    @property
    def name(self) -> str:
        """What tells it apart: systems for tags and for scores may share a name."""
        return f"{self.run.name}/{self.system}"


def trained(profile: str) -> list[Choice]:
    """Return the saved systems of the finished runs of a profile, in its order.

    Networks that were told the number of labels are left out: nobody knows it of a new question.
    FileNotFoundError: no such profile, or nothing was trained in it.
    """
    runs = [runs_dir(profile) / name for name in experiment_names(profile)]
    found = [choice for run in runs if (run / "DONE").exists() for choice in _choices(run)]
    if not found:
        raise FileNotFoundError(f"profile {profile} has no trained system: type `stackstudy run {profile}`")
    return found


def chosen(profile: str, patterns: Sequence[str] = ()) -> list[Choice]:
    """Return the systems whose names, or the names of their experiments, are like `patterns`; none: the best two.

    These are the best for tags and for scores on validation rows, as the comparisons of the profile found them; before
    a comparison has run, the first that was trained. ValueError: nothing is called like a pattern.
    """
    there = trained(profile)
    if not patterns:
        return [choice for kind in COMPARISONS if (choice := _best(profile, there, kind))]
    for pattern in patterns:
        if not any(_is_like(choice, pattern) for choice in there):
            names = ", ".join(choice.name for choice in there)
            raise ValueError(f"no trained system of profile {profile} is called {pattern}; there are: {names}")
    return [choice for choice in there if any(_is_like(choice, pattern) for pattern in patterns)]


def _is_like(choice: Choice, pattern: str) -> bool:
    return any(fnmatchcase(name, pattern) for name in (choice.name, choice.run.name))


def _choices(run: Path) -> list[Choice]:
    folders = [run / "model", *sorted(path for path in (run / "model").glob("*") if path.is_dir())]
    abouts = {folder: _read(folder / "model.json") for folder in folders if (folder / "model.json").exists()}
    kinds = {folder: "tags" if about.get("thresholds") else "scores" for folder, about in abouts.items()}
    return [
        Choice(folder, run, _system(run, folder), kinds[folder])
        for folder, about in abouts.items()
        if kinds[folder] == "scores" or not about.get("arguments", {}).get("label_count")
    ]


def _system(run: Path, folder: Path) -> str:
    """Return the name of a system: a run with a single one keeps no folder for it."""
    if folder.name != "model":
        return folder.name
    return read_yaml(run / "params.yaml")["name"]


def _best(profile: str, there: Sequence[Choice], kind: str) -> Choice | None:
    comparison, leaf = COMPARISONS[kind]
    path, mine = runs_dir(profile) / comparison / "metrics.json", [each for each in there if each.kind == kind]
    best = _read(path)[kind].get(leaf) if path.exists() else None
    return next((each for each in mine if each.system == best), mine[0] if mine else None)


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))
