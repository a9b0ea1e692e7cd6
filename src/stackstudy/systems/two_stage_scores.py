"""Score systems in two stages: boosted trees read what linear models of vectors, words and tags say of a question.

Of a training question the trees see what these say when it is left out (stacking; Wolpert 1992): a model is too sure of
what it has learned from. History: as in `tree_scores`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
from sklearn.preprocessing import normalize

from stackstudy.evaluation.score_classes import CLASSES, score_classes
from stackstudy.evaluation.scores import inverse_signed_log, signed_log
from stackstudy.models.boosting import Trees
from stackstudy.models.files import read_model
from stackstudy.models.text import TextRegressor
from stackstudy.models.trees import LinearMap, discriminant_scores
from stackstudy.params import ScoresStacked
from stackstudy.systems.data import Apply, Data, Fitted, predictions_of
from stackstudy.systems.inputs import vectors_of
from stackstudy.systems.terms import components_of, texts_of
from stackstudy.systems.tree_features import BOTH, Features, control_features, vector_features
from stackstudy.systems.tree_scores import SQUARED, grow

TERMS = "terms"  # folder of the model of words, beside the trees
COLUMNS = tuple(f"everything {name}" for name in ("log", *CLASSES))


@dataclass(frozen=True, eq=False)
class Everything:
    """A ridge regression on the vectors, words and tags of a question side by side: six outputs, as of the vectors."""

    words: TextRegressor  # gives the components of the words
    tags: tuple[str, ...]  # that count
    linear: LinearMap

    @classmethod
    def fitted(cls, data: Data, parameters: ScoresStacked) -> tuple[pl.DataFrame, Self]:
        """Return the outputs for all questions, those of training questions as if left out, and what gives them."""
        train, others = data.rows("train"), data.rows("validation", "test")
        _, words = components_of(data, parameters.max_features, parameters.components, parameters.seeds[0])
        tags = _frequent(data.questions["tags"].gather(train), parameters.tags)
        scores, blocks = data.scores(), _blocks(data, np.arange(len(data.questions)), words, tags)
        targets = np.column_stack([signed_log(scores), np.eye(len(CLASSES))[score_classes(scores)]])
        left_out, linear = discriminant_scores(blocks[train], targets[train])
        values = np.empty((len(blocks), left_out.shape[1]), np.float32)
        values[train], values[others] = left_out, linear(blocks[others])
        return pl.DataFrame(values, schema=list(COLUMNS)), cls(words, tags, linear)

    def __call__(self, data: Data, rows: np.ndarray) -> pl.DataFrame:
        """Return the outputs for the questions in `rows` (r,): `COLUMNS`, Float32 (r, 6)."""
        values = self.linear(_blocks(data, rows, self.words, self.tags)).astype(np.float32)
        return pl.DataFrame(values, schema=list(COLUMNS))


def two_stage(data: Data, parameters: ScoresStacked, folder: Path, controls: bool) -> Fitted:
    """Predict the signed log of the score by trees on linear outputs and text features, and age and stratum if told.

    ValueError: more components than training questions or terms, or vectors are missing.
    """
    system = "two-stage-controls-log" if controls else "two-stage-log"
    (seen, features), (outputs, everything) = vector_features(data), Everything.fitted(data, parameters)
    frames = [outputs, seen]
    if controls:
        frames.append(control_features(data)[0])
        features = replace(features, parts=(*features.parts, "controls"))
    frame = pl.concat(frames, how="horizontal")
    grown, history = grow((frame, features), signed_log(data.scores()), SQUARED, data, parameters, system)
    _save(folder / "model" / system, grown.trees, features, everything, data.encoder)
    values = _scores(grown.trees, frame[data.rows("validation", "test")])
    return Fitted(predictions_of(system, "scores", data, parameters, values), history, grown.trees.nodes())


SYSTEMS: dict[str, Callable[..., Fitted]] = {
    "two-stage-log": partial(two_stage, controls=False),
    "two-stage-controls-log": partial(two_stage, controls=True),
}


def load(folder: Path) -> Apply:
    """Return a saved system of this module as a function of any questions."""
    about, arrays = read_model(folder)
    trees, features = Trees.load(folder), Features.load(folder)
    linear = LinearMap(arrays["all_weights"], arrays["all_intercepts"])
    everything = Everything(TextRegressor.load(folder / TERMS), tuple(about["tags"]), linear)

    def apply(data: Data, rows: np.ndarray) -> dict[int, np.ndarray]:
        frame = pl.concat([everything(data, rows), features.of(data, rows)], how="horizontal")
        return _scores(trees, frame)

    return apply


def _save(folder: Path, trees: Trees, features: Features, everything: Everything, encoder: str) -> None:
    about = {"class": "TwoStage", "tags": everything.tags, "encoder": encoder, **features.about()}
    linear = {f"all_{name}": array for name, array in everything.linear._asdict().items()}
    trees.save(folder, about, {**features.arrays(), **linear})
    everything.words.save(folder / TERMS)


def _scores(trees: Trees, frame: pl.DataFrame) -> dict[int, np.ndarray]:
    return {seed: inverse_signed_log(values) for seed, values in trees.predict(frame).items()}


def _frequent(tags: pl.Series, count: int) -> tuple[str, ...]:
    """Return the `count` most frequent tags of questions (n lists); of equally frequent ones the first by name."""
    uses = tags.explode().value_counts().sort("count", "tags", descending=[True, False])
    return tuple(uses["tags"].head(count))


def _blocks(data: Data, rows: np.ndarray, words: TextRegressor, tags: Sequence[str]) -> np.ndarray:
    """Return vectors, components of words, and indicators of tags side by side, each of unit length or empty."""
    questions = data.questions[rows]
    number = {tag: i for i, tag in enumerate(tags)}
    indicators = np.zeros((rows.size, len(tags)), np.float32)
    for row, given in enumerate(questions["tags"].to_list()):
        indicators[row, [number[tag] for tag in given if tag in number]] = 1
    parts = [vectors_of(data, name)[rows] for name in BOTH] + [words.predict(texts_of(questions)).T, indicators]
    return np.hstack([normalize(part) for part in parts]).astype(np.float32)
