"""Boosted trees as a tagger, the linear map in front of them, and their files: XGBoost's UBJSON, no pickle."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import xgboost as xgb
from sklearn.linear_model import RidgeCV

from stackstudy.models.boosting import load_boosters, nodes_of, save_boosters

PENALTIES = np.logspace(-1, 2, 7)  # for vectors of unit length


class LinearMap(NamedTuple):
    """Vectors (n, d) to features (n, c)."""

    weights: np.ndarray  # float32 (d, c)
    intercepts: np.ndarray  # float32 (c,)

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        return vectors @ self.weights + self.intercepts


def discriminant_scores(vectors: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, LinearMap]:
    """Return features (n, c) of the vectors (n, d) that a regression on `targets` (n, c) was fitted on, and its map.

    A tree splits one coordinate at a time, and a single coordinate of an embedding says next to nothing. Ridge
    regression on the label indicators spans the discriminant directions (Hastie, Tibshirani and Buja 1994), so here
    a single split separates a label. The features of the fitted rows are leave-one-out predictions: those of a row
    that took part in the fit would be too good to learn from. The penalty is the best in leave-one-out error.
    """
    ridge = RidgeCV(PENALTIES, gcv_mode="eigen", scoring="neg_mean_squared_error", store_cv_results=True)
    ridge.fit(vectors, targets)
    left_out = ridge.cv_results_.reshape(*targets.shape, PENALTIES.size)[..., list(PENALTIES).index(ridge.alpha_)]
    coefficients = np.atleast_2d(ridge.coef_).T.astype(np.float32)
    return left_out.astype(np.float32), LinearMap(coefficients, np.atleast_1d(ridge.intercept_).astype(np.float32))


@dataclass(frozen=True, eq=False)
class TreeTagger:
    """One booster per seed that gives the probabilities of c of k labels; each other label has a constant one."""

    boosters: dict[int, xgb.Booster]  # by seed
    columns: np.ndarray  # int64 (c,): the labels, in the order of the boosters' outputs
    constants: np.ndarray  # float32 (k,): probability of a label that is not among `columns`
    features: LinearMap | None  # what the boosters see of a vector; None: the vector itself

    def predict(self, vectors: np.ndarray) -> dict[int, np.ndarray]:
        """Return the probabilities (n, k) by seed, for vectors float32 (n, d)."""
        seen = xgb.DMatrix(self.features(vectors) if self.features else vectors)
        probabilities = {}
        for seed, booster in self.boosters.items():
            probabilities[seed] = np.tile(self.constants, (len(vectors), 1))
            probabilities[seed][:, self.columns] = booster.predict(seen).reshape(len(vectors), -1)
        return probabilities

    def nodes(self) -> int:
        """Return the nodes (splits and leaves) of the first booster."""
        return nodes_of(self.boosters)

    def save(self, folder: Path, about: Mapping[str, Any]) -> None:
        """Write `folder` anew: ``model.json`` (with `about`), ``model.safetensors`` and ``seed-<s>.ubj``."""
        arrays = {"columns": self.columns, "constants": self.constants}
        arrays |= self.features._asdict() if self.features else {}
        save_boosters(folder, self.boosters, {"class": type(self).__name__, **about}, arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote. FileNotFoundError: there is no model."""
        boosters, _, arrays = load_boosters(folder)
        features = LinearMap(arrays["weights"], arrays["intercepts"]) if "weights" in arrays else None
        return cls(boosters, arrays["columns"], arrays["constants"], features)
