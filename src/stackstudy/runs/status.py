"""How far each experiment of a profile is: from the run folders, while a runner works and afterwards."""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stackstudy import params
from stackstudy.paths import runs_dir
from stackstudy.runs import progress
from stackstudy.runs.executor import Place
from stackstudy.runs.folder import failure
from stackstudy.runs.key import keys_of, reasons_to_run
from stackstudy.runs.lock import running
from stackstudy.runs.processes import memory_of_tree
from stackstudy.runs.profile import PLANTED, last_source, load_profile, read_profile


@dataclass(frozen=True)
class Row:
    """One experiment: its state, and what it last reported."""

    name: str
    state: str  # done, running, failed, stale, missing
    note: str = ""  # why it is stale, or the error
    stage: str = ""
    done: int = 0
    total: int = 0
    seconds_left: float | None = None
    values: dict[str, float] = field(default_factory=dict)
    wall_seconds: float | None = None
    memory_mb: float | None = None
    device: str = ""


def overview(profile: str) -> list[Row]:
    """Return a row per experiment, in an order in which they can run."""
    under_way = running(profile)
    return [
        _running_row(name, runs_dir(profile) / name, under_way[name])
        if name in under_way
        else _resting_row(name, runs_dir(profile) / name, reasons)
        for name, reasons in reasons_of(profile).items()
    ]


def reasons_of(profile: str) -> dict[str, list[str]]:
    """Return for each experiment why its results are not those of today's code and parameters; empty lists are current.

    Questions from outside are taken from where they came the last time.
    """
    file = read_profile(profile)
    readers = [name for name in file.experiments if "source" in params.NOTEBOOKS[file.notebook(name)].model_fields]
    sources = [source for name in readers if (source := last_source(profile, name)) not in (None, PLANTED)]
    if not any((runs_dir(profile) / name).exists() for name in file.experiments):
        return {name: ["never run"] for name in file.experiments}
    experiments = load_profile(profile, Path(sources[0]) if sources else None).experiments
    keys = keys_of(experiments)
    return {name: reasons_to_run(experiment.folder, keys[name]) for name, experiment in experiments.items()}


def running_rows(folder: Path, under_way: dict[str, Place]) -> list[Row]:
    """Return the rows of the experiments that run now; `under_way` says where."""
    return [_running_row(name, folder / name, place) for name, place in under_way.items()]


def _running_row(name: str, folder: Path, place: Place) -> Row:
    begun = (folder / "key.json").stat().st_mtime if (folder / "key.json").exists() else time.time()
    memory = None if place.pid is None else memory_of_tree(place.pid) / 2**20
    costs = {"wall_seconds": time.time() - begun, "memory_mb": memory, "device": place.device}
    return Row(name, "running", **costs, **_reported(folder))


def _resting_row(name: str, folder: Path, reasons: list[str]) -> Row:
    environment = folder / "environment.json"
    about = json.loads(environment.read_text(encoding="utf-8")) if environment.exists() else {}
    costs = {"wall_seconds": about.get("wall_seconds"), "memory_mb": about.get("peak_memory_mb")}
    costs["device"] = about.get("device", "")
    reported = _reported(folder) | {"seconds_left": None}
    if error := failure(folder):
        return Row(name, "failed", error, **costs, **reported)
    if (folder / "DONE").exists():
        return Row(name, "stale" if reasons else "done", "; ".join(reasons), **costs, **reported)
    return Row(name, "missing", "; ".join(reasons))


def _reported(folder: Path) -> dict[str, Any]:
    """Return the fields of a row that come from ``progress.jsonl``; time left is that of the current stage."""
    reports = progress.read(folder / "progress.jsonl")
    if not reports:
        return {}
    last = reports[-1]
    values = {name: value for name, value in last["values"].items() if value is not None}
    fields = {"stage": last["stage"], "done": last["done"], "total": last["total"], "values": values}
    return fields | {"seconds_left": _seconds_left(reports)}


def _seconds_left(reports: list[dict[str, Any]]) -> float | None:
    last = first = reports[-1]
    for report in reversed(reports):  # the current pass through the stage: counting never goes back in it
        if report["stage"] != last["stage"] or report["done"] > first["done"]:
            break
        first = report
    steps = last["done"] - first["done"]
    if steps <= 0 or last["done"] >= last["total"]:
        return None
    return (last["total"] - last["done"]) * (last["time"] - first["time"]) / steps
