"""What goes with the results so that each of them leads to its run: where and how it was made, and of what."""

import csv
import hashlib
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from stackstudy import paths
from stackstudy.paper.finished import Run, read_json
from stackstudy.runs.folder import BY_HAND
from stackstudy.runs.key import Key, differences, keys_of
from stackstudy.runs.profile import asks_for_data, load_profile

COLUMNS = ("experiment", "notebook", "commit", "seeds", "seconds", "machine", "parameters", "tables", "figures")


def table(runs: Iterable[Run]) -> bytes:
    """Return ``provenance.csv``, a row per experiment.

    ``seconds`` is wall time, with that of the trainings which a run took up from an earlier one; ``parameters`` is the
    beginning of the sha256 of ``parameters/<experiment>.yaml``; seeds, tables and figures are lists with spaces.
    """
    text = io.StringIO()
    rows = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    rows.writeheader()
    rows.writerows(_row(run) for run in runs)
    return text.getvalue().encode()


def parameters(run: Run) -> bytes:
    """Return the parameters of a run as YAML."""
    return yaml.safe_dump(run.parameters, sort_keys=False, allow_unicode=True).encode()


def keys(runs: Iterable[Run]) -> dict[str, dict[str, Any]]:
    """Return by experiment the key that its run ended with, and its components: hashes of all that it was made of."""
    return {run.experiment: (run.made_of.content() if run.made_of else {}) | {"key": run.key} for run in runs}


def outdated(profile: str) -> dict[str, list[str]]:
    """Return why collected results are not those that code, parameters and packages at hand would give, by experiment.

    No run folder is needed: the keys of the runs are computed anew from the checkout, and compared with those in
    ``keys.json``. The questions themselves count as they were. An empty list: nothing has changed.
    """
    recorded = read_json(paths.results_dir(profile) / "keys.json")
    name, content = _source(profile, recorded)
    experiments = load_profile(profile, Path(name) if name else None, at_hand=False).experiments
    fresh = keys_of(experiments, content)
    found = {experiment: _reasons(recorded.get(experiment), key) for experiment, key in fresh.items()}
    gone = sorted(recorded.keys() - fresh.keys())
    return found | {experiment: ["is no experiment of the profile"] for experiment in gone}


def _row(run: Run) -> dict[str, Any]:
    values, environment = run.parameters, run.environment
    seeds = values.get("seeds", [values["seed"]] if "seed" in values else [])
    device = environment.get("device", "cpu")
    lists = {kind: _names(run.files(kind, (".csv", ".png"))) for kind in ("tables", "figures")}
    return lists | {
        "experiment": run.experiment,
        "notebook": run.notebook,
        "commit": run.commit,
        "seeds": " ".join(map(str, seeds)),
        "seconds": _seconds(run),
        "machine": environment.get("processor") if device == "cpu" else device,
        "parameters": hashlib.sha256(parameters(run)).hexdigest()[:12],
    }


def _seconds(run: Run) -> float | None:
    costs = read_json(run.folder / "cost.json") if (run.folder / "cost.json").exists() else {}
    own = run.environment.get("wall_seconds")
    return own if own is None else max(own, round(sum(cost["seconds"] for cost in costs.values()), 2))


def _names(files: Iterable[Path]) -> str:
    return " ".join(path.stem for path in files)


def _source(profile: str, recorded: dict[str, dict[str, Any]]) -> tuple[str | None, str | None]:
    """Return name and hash of the questions from outside that the runs read; None where the profile makes its own."""
    for entry in recorded.values():
        components = entry.get("components", {})
        if components.get("source"):
            return components["parameters"]["source"], components["source"]
    return ("unknown", "unknown") if asks_for_data(profile) else (None, None)


def _reasons(recorded: dict[str, Any] | None, fresh: Key) -> list[str]:
    if recorded is None:
        return ["has no results"]
    if recorded["key"] == BY_HAND:
        return ["was run by hand"]
    old = Key(recorded["notebook"], recorded["components"])
    return ["key is not that of its components"] if old.value != recorded["key"] else differences(old, fresh)
