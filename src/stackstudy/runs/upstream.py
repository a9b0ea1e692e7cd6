"""Finished runs from outside the runner: from which others a run was made."""

from pathlib import Path

from stackstudy.runs.key import Key, finished_key
from stackstudy.runs.profile import read_profile
from stackstudy.runs.yaml_files import read_yaml


def upstream(run: Path, notebook: str) -> Path:
    """Return the folder, beside `run`, of the one experiment of `notebook` that it was made from.

    FileNotFoundError: it is not finished. ValueError: there is not one, or it is no longer what `run` was made from.
    """
    parameters = read_yaml(run / "params.yaml")
    names = read_profile(parameters["profile"]).matching(notebook)
    if len(names) != 1:
        found = ", ".join(names) or "none"
        raise ValueError(f"profile {parameters['profile']}: one experiment of {notebook} expected, found {found}")
    folder = run.parent / names[0]
    if (done := finished_key(folder)) is None:
        raise FileNotFoundError(f"{folder} is no finished run, but {run} was made from it: run it again")
    made = Key.load(run)  # which a run by hand does not have
    if made and made.components["upstream"].get(names[0], done) != done:
        raise ValueError(f"{folder} has changed since {run} was made from it: run {run.name} again")
    return folder
