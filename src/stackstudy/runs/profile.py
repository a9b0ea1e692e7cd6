"""Profiles: which experiments run, with which parameters; everything is checked before a kernel starts."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from stackstudy import params
from stackstudy.paths import notebooks_dir, profiles_dir, project_root, runs_dir
from stackstudy.runs.notebook import describe, read_notebook
from stackstudy.runs.pool import Demand, visible_gpus
from stackstudy.runs.yaml_files import read_yaml

DATA = "DATA"  # as a value of `source`: the path must come from the command line
PLANTED = "planted"


class Resources(BaseModel):
    """What a machine gives: so many experiments at a time, GPUs, memory; and how long an experiment may take."""

    model_config = ConfigDict(extra="forbid")
    slots: int = Field(default=1, ge=1)
    gpus: int | None = Field(default=None, ge=0)  # None: all that the machine shows
    memory_gb: float | None = Field(default=None, gt=0)  # None: all that the machine has
    timeout_minutes: float = Field(gt=0)


class Entry(BaseModel):
    """An experiment as the profile writes it; the notebook is the one of the same name unless it says another."""

    model_config = ConfigDict(extra="forbid")
    notebook: str | None = None
    parameters: dict[str, Any] = {}
    slots: int = Field(default=1, ge=1)  # that it takes, with their share of the cores
    gpus: float | None = Field(default=None, ge=0)  # None: one, if its `device` is a GPU
    memory_gb: float | None = Field(default=None, gt=0)  # it starts when so much is left, and ends when it takes more
    timeout_minutes: float | None = Field(default=None, gt=0)

    @field_validator("gpus")
    @classmethod
    def _whole_or_shared(cls, gpus: float | None) -> float | None:
        if gpus is not None and gpus > 1 and gpus != int(gpus):
            raise ValueError("a fraction of one GPU, or a whole number of them")
        return gpus


class ProfileFile(BaseModel):
    """``profiles/<name>.yaml``; what it leaves open of its experiments is as in the profile `base`, if it names one."""

    model_config = ConfigDict(extra="forbid")
    base: str | None = None
    description: str
    resources: Resources
    defaults: dict[str, Any] = {}
    experiments: dict[str, Entry] = Field(min_length=1)

    def notebook(self, experiment: str) -> str:
        return self.experiments[experiment].notebook or experiment

    def matching(self, pattern: str) -> list[str]:
        """Return the experiments of the notebook `pattern`, and those with names like it, in the profile's order.

        The name says what an experiment is for, its notebook how it is made: 31-audit-one-key is a network of
        13-tags-neural, but none of 13-*.
        """
        return [name for name in self.experiments if self.notebook(name) == pattern or fnmatchcase(name, pattern)]

    def upstream(self, model: type[params.Parameters]) -> list[str]:
        """Return the experiments that a notebook with these parameters needs."""
        needed = {name for pattern in model.needs for name in self.matching(pattern)}
        return [name for name in self.experiments if name in needed]


@dataclass(frozen=True)
class Experiment:
    """One notebook with checked parameters, and the experiments that must be done before it."""

    name: str
    notebook: Path
    parameters: params.Parameters
    upstream: tuple[str, ...]
    timeout_minutes: float
    demand: Demand

    @property
    def folder(self) -> Path:
        return runs_dir(self.parameters.profile) / self.name


@dataclass(frozen=True)
class Profile:
    """A profile with everything resolved; the experiments are in an order in which they can run."""

    name: str
    resources: Resources
    experiments: dict[str, Experiment]


def read_profile(name: str) -> ProfileFile:
    """Read ``profiles/<name>.yaml``. ValueError, FileNotFoundError: no such profile or notebook, or not a profile."""
    profile = _parse(name)
    _check_notebooks(name, profile)
    return profile


def experiment_names(name: str) -> list[str]:
    """Return the names of a profile's experiments, for those who read results and run nothing."""
    return list(_parse(name).experiments)


def asks_for_data(name: str) -> bool:
    """Tell whether a profile says ``source: DATA``: it runs on questions that someone has to give."""
    return any(entry.parameters.get("source") == DATA for entry in _parse(name).experiments.values())


def _parse(name: str) -> ProfileFile:
    """Read a profile, with what it takes from its base."""
    file = _read(name)
    if file.base is None:
        return file
    base = _read(file.base)
    if base.base is not None:
        raise ValueError(f"profile {name}: base {file.base} has a base itself, so it cannot be one")
    return _over(base, file)


def _read(name: str) -> ProfileFile:
    path = profiles_dir() / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in profiles_dir().glob("*.yaml")))
        there = f"the profiles are {known}" if known else "there is none in profiles/"
        raise FileNotFoundError(f"no profile {name}: {there}")
    try:
        return ProfileFile.model_validate(read_yaml(path))
    except yaml.YAMLError as error:
        raise ValueError(f"profile {name} is not YAML: {error}") from error
    except ValidationError as error:
        raise ValueError(f"profile {name}: {describe(error)}") from error


def _over(base: ProfileFile, file: ProfileFile) -> ProfileFile:
    """Return `file` with what it leaves open taken from `base`: experiments that it does not list are not in it."""
    entries = {}
    for name, entry in file.experiments.items():
        below = base.experiments.get(name, Entry())
        said = entry.model_dump(exclude_unset=True) | {"parameters": below.parameters | entry.parameters}
        entries[name] = below.model_copy(update=said)
    return file.model_copy(update={"defaults": base.defaults | file.defaults, "experiments": entries})


def load_profile(name: str, data: Path | None = None, *, at_hand: bool = True) -> Profile:
    """Resolve a profile: the notebooks' own parameters, overlaid by the defaults and the experiments' parameters.

    `data` becomes the ``source`` of the experiment that reads the questions; where nothing is to run, it need not be
    `at_hand`. ValueError: an unknown, missing or mistyped parameter, or no `data` where the profile says
    ``source: DATA``; names profile, experiment and field.
    """
    file = read_profile(name)
    experiments = {experiment: _resolve(name, file, experiment, data, at_hand) for experiment in file.experiments}
    order = TopologicalSorter({experiment.name: experiment.upstream for experiment in experiments.values()})
    try:
        return Profile(name, file.resources, {step: experiments[step] for step in order.static_order()})
    except CycleError as error:
        raise ValueError(f"profile {name}: experiments need each other: {' -> '.join(error.args[1])}") from error


def _check_notebooks(name: str, profile: ProfileFile) -> None:
    for experiment in profile.experiments:
        notebook = profile.notebook(experiment)
        if notebook not in params.NOTEBOOKS:
            known = ", ".join(params.NOTEBOOKS)
            raise ValueError(f"profile {name}, experiment {experiment}: no notebook {notebook}; there are {known}")
        for pattern in params.NOTEBOOKS[notebook].needs:
            if "*" not in pattern and not profile.matching(pattern):
                raise ValueError(
                    f"profile {name}, experiment {experiment}: needs {pattern}, which is not in the profile"
                )
    fields = {field for model in params.NOTEBOOKS.values() for field in model.model_fields}
    if unknown := sorted(set(profile.defaults) - fields):
        raise ValueError(f"profile {name}, defaults: no notebook has a parameter {', '.join(unknown)}")


def _resolve(name: str, file: ProfileFile, experiment: str, data: Path | None, at_hand: bool) -> Experiment:
    notebook = file.notebook(experiment)
    model = params.NOTEBOOKS[notebook]
    path = notebooks_dir() / f"{notebook}.ipynb"
    defaults = {field: value for field, value in file.defaults.items() if field in model.model_fields}
    own = {"profile": name, "experiment": experiment}
    values = read_notebook(path).parameters | defaults | file.experiments[experiment].parameters | own
    if "source" in model.model_fields:
        values["source"] = _source(name, experiment, values.get("source"), data, at_hand)
    try:
        parameters = model(**values)
    except ValidationError as error:
        raise ValueError(f"profile {name}, experiment {experiment}: {describe(error)}") from error
    entry, resources = file.experiments[experiment], file.resources
    if entry.slots > resources.slots:
        raise ValueError(
            f"profile {name}, experiment {experiment}: takes {entry.slots} slots, there are {resources.slots}"
        )
    timeout = entry.timeout_minutes or resources.timeout_minutes
    return Experiment(experiment, path, parameters, tuple(file.upstream(model)), timeout, _demand(entry, parameters))


def _demand(entry: Entry, parameters: params.Parameters) -> Demand:
    gpus = entry.gpus
    if gpus is None:
        device = getattr(parameters, "device", "cpu")
        gpus = 1 if device.startswith("cuda") or (device == "auto" and visible_gpus()) else 0
    return Demand(entry.slots, gpus, entry.memory_gb)


def _source(profile: str, experiment: str, source: Any, data: Path | None, at_hand: bool) -> Any:
    """Return where the questions come from: "planted", or the absolute path of what exists if it has to."""
    if data is not None:
        source = data
    elif source == DATA:
        raise ValueError(_data_missing(profile, experiment))
    if source == PLANTED or not isinstance(source, str | Path):
        return source
    path = Path(source).expanduser() if data is not None else project_root() / Path(source).expanduser()
    if at_hand and not path.exists():
        raise FileNotFoundError(f"profile {profile}, experiment {experiment}: source {source} does not exist")
    return str(path.resolve())


def _data_missing(profile: str, experiment: str) -> str:
    last = last_source(profile, experiment)
    hint = f" (last time it was {last})" if last else ""
    option = "--data PATH (make: DATA=PATH)"
    return f"profile {profile} needs questions of yours: name a Posts.xml, .7z, CSV or parquet with {option}{hint}"


def last_source(profile: str, experiment: str) -> str | None:
    """Return the ``source`` with which an experiment last ran, if it ever did."""
    path = runs_dir(profile) / experiment / "params.yaml"
    return read_yaml(path).get("source") if path.exists() else None
