"""A small model on disk: what it is as JSON, its numbers as safetensors, no pickle."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file


def write_model(folder: Path, about: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write ``model.json`` and ``model.safetensors`` into a folder that exists."""
    text = json.dumps(about, ensure_ascii=False, indent=2) + "\n"
    (folder / "model.json").write_text(text, encoding="utf-8")
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / "model.safetensors")


def read_model(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return what `write_model` wrote. FileNotFoundError: there is no model."""
    path = Path(folder) / "model.json"
    if not path.exists():
        raise FileNotFoundError(f"no model at {path}: run the experiment that trains it")
    return json.loads(path.read_text(encoding="utf-8")), load_file(path.with_suffix(".safetensors"))
