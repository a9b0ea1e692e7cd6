"""The finished runs of a profile, as their folders tell of them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stackstudy import paths
from stackstudy.runs.key import Key, finished_key, without_folder
from stackstudy.runs.profile import experiment_names
from stackstudy.runs.yaml_files import read_yaml


@dataclass(frozen=True)
class Run:
    """One finished run folder."""

    folder: Path
    key: str  # that it ended with
    made_of: Key | None  # the components of that key; None after a run by hand
    environment: dict[str, Any]

    @property
    def experiment(self) -> str:
        return self.folder.name

    @property
    def notebook(self) -> str:
        """The notebook, which may carry another name than the experiment."""
        return self.made_of.notebook if self.made_of else f"{self.experiment} (by hand)"

    @property
    def commit(self) -> str:
        return str(self.environment.get("commit") or "none")[:7] + " + changes" * bool(self.environment.get("dirty"))

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters; a source from outside is named by its file and the hash of its content, not by its place."""
        parameters = without_folder(read_yaml(self.folder / "params.yaml"))
        source = self.made_of.components["source"] if self.made_of else None
        return parameters | ({"source_sha256": source} if source else {})

    def files(self, kind: str, suffixes: tuple[str, ...]) -> list[Path]:
        """Return its files of a kind (``tables`` or ``figures``), by name."""
        return sorted(path for path in (self.folder / kind).glob("*") if path.suffix in suffixes)


def finished_runs(profile: str) -> list[Run]:
    """Return the runs of the experiments of `profile` that hold ``DONE``, by name; none at all is a FileNotFoundError.

    Other folders, such as those of trials by hand or of renamed experiments, do not count.
    """
    folder = paths.runs_dir(profile)
    runs = [_read_run(folder / name) for name in sorted(experiment_names(profile)) if (folder / name / "DONE").exists()]
    if not runs:
        raise FileNotFoundError(f"no finished run in {folder}: first type `stackstudy run {profile}`")
    return runs


def has_runs(profile: str) -> bool:
    """Tell whether there is a run folder, finished or not; committed results come without any."""
    return any((paths.runs_dir(profile) / name).is_dir() for name in experiment_names(profile))


def has_results(profile: str) -> bool:
    """Tell whether results were collected: numbers, tables and figures that a paper can be built from."""
    return (paths.results_dir(profile) / "numbers.json").is_file()


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; anything else is an error that names the file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is missing") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}, line {error.lineno}: not JSON ({error.msg})") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected an object in braces, found {type(content).__name__}")
    return content


def _read_run(folder: Path) -> Run:
    key = finished_key(folder)
    if not key:
        raise ValueError(f"{folder / 'DONE'} holds no key; run {folder.name} again")
    return Run(folder, key, Key.load(folder), read_json(folder / "environment.json"))
