"""Systems that are made of others: where their members are saved, and whether these are still what they were."""

import hashlib
import json
from pathlib import Path
from typing import Any


def described(run: Path, system: str) -> dict[str, Any]:
    """Return what the ``model.json`` of a combination says of one member: experiment, system, sha256 of its files.

    FileNotFoundError: the member was not saved.
    """
    folder = _model(run, system)
    if not (folder / "model.json").exists():
        raise FileNotFoundError(f"no model of {system} in {run}: run that experiment again")
    return {"experiment": run.name, "system": system, "sha256": _sha256(folder)}


def found(combination: Path, member: dict[str, Any]) -> Path:
    """Return the folder of a member's model; its run is beside that of the `combination` (``run/model/<system>``).

    FileNotFoundError: it is not there. ValueError: it is no longer the one that the combination was made with.
    """
    folder = _model(combination.parents[2] / member["experiment"], member["system"])
    if not (folder / "model.json").exists():
        raise FileNotFoundError(
            f"no model at {folder}, which {combination.name} is made of: run {member['experiment']}"
        )
    if _sha256(folder) != member["sha256"]:
        raise ValueError(f"{folder} has changed since {combination.name} was made with it: run that experiment again")
    return folder


def streams(run: Path, system: str) -> tuple[str, ...]:
    """Return the embedding streams that a member reads."""
    return tuple(json.loads((_model(run, system) / "model.json").read_text(encoding="utf-8"))["streams"])


def _model(run: Path, system: str) -> Path:
    """Return where a run keeps the model of a system: one that has a single system keeps no folder for it."""
    folder = run / "model" / system
    return folder if folder.exists() else run / "model"


def _sha256(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(folder)).encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
