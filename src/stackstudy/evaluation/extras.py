"""What a score system predicts beside the score (bounds of an interval, probabilities), in ``extra/<system>.npz``."""

from pathlib import Path

import numpy as np

from stackstudy.evaluation.predictions import Predictions, places_of
from stackstudy.paths import replacing


def save_extras(folder: Path, predictions: Predictions, **arrays: np.ndarray) -> None:
    """Write `arrays`, each (s, m, ...) for the seeds and rows of `predictions`, as ``folder/extra/<system>.npz``."""
    with replacing(folder / "extra" / f"{predictions.system}.npz") as fresh, fresh.open("wb") as file:
        np.savez(file, rows=predictions.rows, seeds=predictions.seeds, **arrays)


def load_extras(folder: Path, system: str, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Return what a system predicted beside the score for `rows` (r,): name -> (s, r, ...).

    FileNotFoundError: the system wrote nothing there. ValueError: a row is missing.
    """
    path = Path(folder) / "extra" / f"{system}.npz"
    if not path.exists():
        raise FileNotFoundError(f"nothing at {path}: run the experiment that makes it")
    with np.load(path, allow_pickle=False) as file:
        places = places_of(rows, file["rows"], f"{path}: nothing")
        return {name: file[name][:, places] for name in file.files if name not in ("rows", "seeds")}
