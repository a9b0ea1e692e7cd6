"""The run folder of one experiment, as a notebook uses it: inputs from other experiments, products of its own."""

import json
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import yaml

from stackstudy.params import Parameters
from stackstudy.paths import project_root, replacing, runs_dir
from stackstudy.runs import progress
from stackstudy.runs.memory import keep_freed_memory
from stackstudy.runs.products import merged, save_figure, save_json, save_table
from stackstudy.runs.profile import read_profile

if TYPE_CHECKING:
    import polars
    from matplotlib.figure import Figure

EVERY_RUN = ("params.yaml", "metrics.json", "environment.json")  # products of every notebook
LATEST_BYTES = 64 * 1024  # of a log that are read for its last lines
BY_HAND = "by hand"  # content of DONE after a run outside the runner, which writes the key there


class Savable(Protocol):
    """Predictions of one system."""

    system: str

    def save(self, path: Path) -> None: ...


class RunFolder:
    """``runs/<profile>/<experiment>/``; made by `start`."""

    def __init__(self, folder: Path, parameters: Parameters, *, by_hand: bool) -> None:
        self.folder = folder
        self.parameters = parameters
        self.by_hand = by_hand
        self._since = time.monotonic()

    def __repr__(self) -> str:
        return f"RunFolder({shown(self.folder)})"

    def input(self, pattern: str) -> Path:
        """Return the folder of the one experiment that `pattern`, a notebook or a name like "02-*", stands for."""
        folders = self.inputs(pattern)
        if len(folders) != 1:
            found = ", ".join(folder.name for folder in folders) or "none"
            raise ValueError(
                f"profile {self.parameters.profile}: one experiment like {pattern} expected, found {found}"
            )
        return folders[0]

    def inputs(self, pattern: str) -> list[Path]:
        """Return the folders of all experiments that `pattern` stands for, as in ``ProfileFile.matching``.

        In a notebook opened by hand the missing ones are run first. ValueError: one is not declared in ``needs``
        of the notebook's parameters, or is not done.
        """
        profile = read_profile(self.parameters.profile)
        names = profile.matching(pattern)
        if undeclared := sorted(set(names) - set(profile.upstream(type(self.parameters)))):
            model = type(self.parameters).__name__
            raise ValueError(f"{', '.join(undeclared)}: declare it in `needs` of the parameters {model}")
        folders = [runs_dir(self.parameters.profile) / name for name in names]
        if missing := [folder.name for folder in folders if not (folder / "DONE").exists()]:
            self._make(missing)
        return folders

    def cache(self) -> Path:
        """Return a folder of this experiment that outlives its runs, for what names by itself all it was made of."""
        folder = runs_dir(self.parameters.profile) / ".cache" / self.parameters.experiment
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def figure(self, figure: "Figure", name: str) -> "Figure":
        """Save a figure as ``figures/<name>.png`` and ``.svg``; return it, so that a notebook shows it."""
        save_figure(figure, self.folder / "figures", name)
        return figure

    def table(self, frame: "polars.DataFrame", name: str) -> None:
        """Save a table as ``tables/<name>.csv``."""
        save_table(frame, self.folder / "tables" / f"{name}.csv")

    def history(self, frame: "polars.DataFrame") -> None:
        """Save the course of the training, a row per epoch, as ``history.csv``."""
        save_table(frame, self.folder / "history.csv")

    def predictions(self, predictions: Savable) -> None:
        """Save the predictions of one system as ``predictions/<system>.npz``."""
        path = self.folder / "predictions" / f"{predictions.system}.npz"
        path.parent.mkdir(exist_ok=True)
        predictions.save(path)

    def metrics(self, metrics: Mapping[str, Any]) -> None:
        """Add nested metrics to ``metrics.json``. ValueError: NaN, infinity or no number or text, naming the leaf."""
        path = self.folder / "metrics.json"
        known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        save_json(merged(known, metrics), path)

    def finish(self) -> None:
        """Write ``environment.json`` and check that all declared products are there; ValueError names the missing."""
        from stackstudy.runs.environment import describe_environment

        save_json(describe_environment(time.monotonic() - self._since), self.folder / "environment.json")
        if missing := missing_products(self.folder, self.parameters):
            raise ValueError(f"{shown(self.folder)} lacks {', '.join(missing)}, declared as products of this notebook")
        if self.by_hand:
            mark_done(self.folder, BY_HAND)

    def _make(self, names: list[str]) -> None:
        profile = self.parameters.profile
        if not self.by_hand:
            raise ValueError(f"{', '.join(names)} of profile {profile} not done: run it first")
        from stackstudy.runs.runner import run_quietly

        if run_quietly(profile, names) != 0:
            folders = sorted(path.parent for path in runs_dir(profile).glob("*/FAILED"))
            found = "; ".join(f"{folder.name}: {failure(folder)} ({shown(folder / 'log.txt')})" for folder in folders)
            raise ValueError(f"{', '.join(names)} could not be run. {found}")


def start(parameters: Parameters) -> RunFolder:
    """Return the run folder of this notebook: the runner's, else an empty one of the profile and experiment.

    From here on the process keeps the memory that it frees.
    """
    keep_freed_memory()
    if told := os.environ.get("STACKSTUDY_RUN_DIR"):
        return RunFolder(Path(told), parameters, by_hand=False)
    from stackstudy.runs.lock import locked

    folder = runs_dir(parameters.profile) / parameters.experiment
    with locked(parameters.profile):
        if folder.exists():
            shutil.rmtree(folder)
        save_parameters(parameters, folder)
    progress.record_in(folder)
    return RunFolder(folder, parameters, by_hand=True)


def save_parameters(parameters: Parameters, folder: Path) -> None:
    """Write ``params.yaml``."""
    with replacing(folder / "params.yaml") as fresh:
        fresh.write_text(yaml.safe_dump(parameters.model_dump(mode="json"), sort_keys=False), encoding="utf-8")


def missing_products(folder: Path, parameters: Parameters) -> list[str]:
    """Return the declared products that match no file in `folder`."""
    return [pattern for pattern in (*EVERY_RUN, *parameters.products) if not any(folder.glob(pattern))]


def mark_failed(folder: Path, error: str) -> None:
    """Write ``FAILED`` with the error in one line."""
    with replacing(folder / "FAILED") as fresh:
        fresh.write_text(error + "\n", encoding="utf-8")


def failure(folder: Path) -> str | None:
    """Return the error with which the run in `folder` failed, None when it did not."""
    path = folder / "FAILED"
    return path.read_text(encoding="utf-8").strip() if path.exists() else None


def mark_done(folder: Path, key: str) -> None:
    """Write ``DONE``, the last file of a run."""
    with replacing(folder / "DONE") as fresh:
        fresh.write_text(key + "\n", encoding="utf-8")


def last_lines(log: Path, count: int) -> list[str]:
    """Return the last lines of a log that are not empty, at most `count`; none when there is no log."""
    if not log.exists():
        return []
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LATEST_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    return [line for line in lines if line.strip()][-count:]


def shown(path: Path) -> str:
    """Return a path as people see it: relative to the project."""
    return str(path.relative_to(project_root())) if path.is_relative_to(project_root()) else str(path)
