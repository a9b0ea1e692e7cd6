"""Gather what finished runs left: values, tables and figures for the paper, each with the run that made it."""

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from stackstudy import paths
from stackstudy.runs.profile import experiment_names


class Run(NamedTuple):
    """A finished run folder, with its name, the key that it ended with, and the commit of its code."""

    folder: Path
    experiment: str
    key: str
    commit: str


def collect(profile: str) -> None:
    """Bring ``results/<profile>`` and ``figures/<profile>`` in line with the finished runs of `profile`.

    A file whose bytes stay the same is not written again; a file that no finished run makes any more is removed.
    The parameters of the systems go along, so that a row of a table leads to what made it.
    Two runs that give the same value, table or figure are a ValueError that names both.
    """
    runs = finished_runs(profile)
    results = paths.results_dir(profile)
    _write(results / "numbers.json", _json_bytes(_numbers(runs)))
    _write(results / "provenance.csv", _provenance(runs))
    _mirror(_products(runs, "tables", (".csv",)), results / "tables")
    _mirror(_products(runs, "figures", (".png", ".svg")), paths.figures_dir(profile))
    # Of those alone that made predictions: the parameters of the questions hold a path of this machine.
    systems = {
        f"{run.experiment}.yaml": run.folder / "params.yaml" for run in runs if (run.folder / "predictions").is_dir()
    }
    _mirror(systems, results / "parameters")


def finished_runs(profile: str) -> list[Run]:
    """Return the runs of the experiments of `profile` that hold ``DONE``, by name; none at all is a FileNotFoundError.

    Other folders, such as those of trials by hand or of renamed experiments, do not count.
    """
    folder = paths.runs_dir(profile)
    runs = [_read_run(folder / name) for name in sorted(experiment_names(profile)) if (folder / name / "DONE").exists()]
    if not runs:
        raise FileNotFoundError(f"no finished run in {folder}: first type `stackstudy run {profile}`")
    return runs


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
    key = (folder / "DONE").read_text(encoding="utf-8").strip()
    if not key:
        raise ValueError(f"{folder / 'DONE'} holds no key; run {folder.name} again")
    environment = read_json(folder / "environment.json")
    commit = str(environment.get("commit") or "none")[:10] + (" + changes" if environment.get("dirty") else "")
    return Run(folder, folder.name, key, commit)


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
    """Return leaf path -> value, experiment and key, over all runs."""
    numbers: dict[str, dict[str, Any]] = {}
    for run in runs:
        source = run.folder / "metrics.json"
        for path, value in _leaves(read_json(source), source):
            if path in numbers:
                raise ValueError(
                    f"value {path} comes from two runs: {numbers[path]['experiment']} and {run.experiment}"
                )
            numbers[path] = {"value": value, "experiment": run.experiment, "key": run.key}
    return numbers


def _products(runs: Iterable[Run], kind: str, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Return file name -> path of all files of a kind (``tables`` or ``figures``) over all runs."""
    found: dict[str, Path] = {}
    for run in runs:
        for path in sorted((run.folder / kind).glob("*")):
            if path.suffix not in suffixes:
                continue
            if path.name in found:
                first = found[path.name].parent.parent.name
                raise ValueError(f"{kind}/{path.name} comes from two runs: {first} and {run.experiment}")
            found[path.name] = path
    return found


def _provenance(runs: Iterable[Run]) -> bytes:
    """Return a CSV that says for each experiment its notebook, commit and the sha256 of its parameters."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["experiment", "notebook", "commit", "parameters"])
    for run in runs:
        parameters = hashlib.sha256((run.folder / "params.yaml").read_bytes()).hexdigest()
        table.writerow([run.experiment, _notebook(run), run.commit, parameters[:12]])
    return text.getvalue().encode()


def _notebook(run: Run) -> str:
    """Return the notebook of a run, which may carry another name; a run by hand has no ``key.json`` to say it."""
    record = run.folder / "key.json"
    return str(read_json(record)["notebook"]) if record.exists() else f"{run.experiment} (by hand)"


def _json_bytes(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _mirror(sources: Mapping[str, Path], target: Path) -> None:
    """Make `target` hold exactly these files."""
    for name, source in sources.items():
        _write(target / name, source.read_bytes())
    for path in target.glob("*"):
        if path.is_file() and path.name not in sources:
            path.unlink()


def _write(path: Path, content: bytes) -> None:
    if path.is_file() and path.read_bytes() == content:
        return
    with paths.replacing(path) as fresh:
        fresh.write_bytes(content)
