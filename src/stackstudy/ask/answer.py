"""A question that nobody has asked yet: what trained systems say of it, why, and which training questions are near."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import numpy as np
import polars as pl

from stackstudy.ask.choices import Choice, chosen
from stackstudy.ask.nearest import Nearest
from stackstudy.ask.occlusion import Piece, occluded, pieces
from stackstudy.evaluation.calibration import Platt, fit_platt, log_odds
from stackstudy.evaluation.conformal import Conformal, fit_conformal
from stackstudy.evaluation.predictions import Predictions
from stackstudy.evaluation.thresholds import rows_to_choose_on
from stackstudy.predict import StoreEncoder, as_in_training, space_of, store_encoder, streams_of
from stackstudy.questions.columns import UNLABELLED
from stackstudy.questions.schema import read_questions, row_hash
from stackstudy.runs import progress
from stackstudy.runs.upstream import upstream
from stackstudy.runs.yaml_files import read_yaml
from stackstudy.systems.data import Data
from stackstudy.systems.saved import Saved, load_system

COVERAGE = 0.9  # of the intervals
SHOWN = 5  # likeliest labels, besides those that are given
FIELDS = ("title", "body")


@dataclass(frozen=True, eq=False)
class Tagger:
    """A tag system with the curve that calibrates it."""

    choice: Choice
    saved: Saved
    platt: Platt

    def values(self, data: Data) -> np.ndarray:
        """Return calibrated probabilities (n, k)."""
        return self.platt(log_odds(self.saved.values(as_in_training(self.choice.run, data))))

    def thresholds(self) -> np.ndarray:
        """Return the threshold of each label (k,), on the scale of `values`."""
        return np.broadcast_to(self.platt(log_odds(self.saved.threshold)), len(self.saved.labels))


@dataclass(frozen=True, eq=False)
class Scorer:
    """A score system with the intervals that its errors on validation questions ask for."""

    choice: Choice
    saved: Saved
    conformal: Conformal

    def values(self, data: Data) -> np.ndarray:
        """Return scores (n,)."""
        return self.saved.values(data)


@dataclass(frozen=True, eq=False)
class Asker:
    """The chosen systems of a profile, loaded once for any number of questions."""

    profile: str
    systems: tuple[Tagger | Scorer, ...]
    encoder: StoreEncoder
    nearest: Nearest

    @classmethod
    def load(cls, profile: str, choices: Sequence[Choice]) -> Self:
        """Load systems and their encoder, and calibrate the systems on the validation questions of their runs.

        FileNotFoundError, ValueError: what a system was made from is gone or has changed, the encoder is not the one
        that it was trained with, or it cannot be applied to a new question.
        """
        run = choices[0].run
        questions = read_questions(upstream(run, "01-questions") / "questions.parquet")
        store = upstream(run, "02-embeddings")
        systems = tuple(_load(choice, questions) for choice in choices)
        encoder = store_encoder(store, [system.saved for system in systems])
        return cls(profile, systems, encoder, Nearest.load(store, questions))

    def answer(self, title: str, body: str) -> dict[str, Any]:
        """Return all that is known of one question, as JSON can hold it.

        ``tags`` and ``scores`` have an entry per system, in both of which ``carried`` lists the pieces of the question
        with the change that each made; ``nearest`` has training questions. Some score systems read how many tags a
        question has: it has those that the first tag system gives it. ValueError: there is no title.
        """
        if not title.strip():
            raise ValueError("a question needs a title")
        found = pieces(title, body)
        with progress.silence():
            data = self._embedded(occluded(_question(title, body), found))
        taggers = [system for system in self.systems if isinstance(system, Tagger)]
        values = {tagger.choice.name: tagger.values(data) for tagger in taggers}
        tags = [_tag_answer(tagger, values[tagger.choice.name], found, title, body) for tagger in taggers]
        if tags:
            data = _with_tags(data, [label["label"] for label in tags[0]["labels"] if label["given"]])
        scorers = [system for system in self.systems if isinstance(system, Scorer)]
        scores = [_score_answer(scorer, scorer.values(data), found, title, body) for scorer in scorers]
        near = self.nearest(*(data.stream(field)[0] for field in FIELDS))
        about = {"profile": self.profile, "encoder": self.encoder.encoder.model_id, "title": title, "body": body}
        return about | {"tags": tags, "scores": scores, "nearest": near}

    def _embedded(self, questions: pl.DataFrame) -> Data:
        streams = sorted({*FIELDS, *streams_of([system.saved for system in self.systems])})
        with TemporaryDirectory() as scratch:
            made = self.encoder.embed(questions, streams, Path(scratch))
            held = {name: np.array(vectors) for name, vectors in made.items()}
        return Data(questions, held, self.encoder.encoder.model_id)


def ask(title: str, body: str, profile: str, systems: Sequence[str] = ()) -> dict[str, Any]:
    """Return what systems of a profile say of one question: what ``stackstudy ask`` prints as JSON.

    `systems` are names or patterns as in `choices.chosen`, without any the best two. Errors are those of `Asker`.
    """
    return Asker.load(profile, chosen(profile, systems)).answer(title, body)


def _load(choice: Choice, questions: pl.DataFrame) -> Tagger | Scorer:
    saved = load_system(choice.folder, choice.system)
    predictions = Predictions.load(choice.run / "predictions" / f"{choice.system}.npz")
    if choice.kind == "tags":
        return Tagger(choice, saved, _calibration(choice, saved, predictions, questions))
    parameters = read_yaml(choice.run / "params.yaml")
    judged = Data(questions).within(parameters["strata"])
    rows = judged.rows("validation")
    _check_rows(choice, predictions, judged.questions)
    predicted = predictions.at(rows).mean(axis=0)
    return Scorer(choice, saved, fit_conformal(judged.scores()[rows], predicted, COVERAGE))


def _calibration(choice: Choice, saved: Saved, predictions: Predictions, questions: pl.DataFrame) -> Platt:
    """Return the curve that fits the probabilities of a system to the labels on which its threshold was chosen."""
    space = space_of(choice.run)
    if saved.labels != tuple(space.names):
        raise ValueError(f"{choice.name} predicts other labels than those in its tag space: run it again")
    _check_rows(choice, predictions, questions)
    rows = rows_to_choose_on(predictions, questions)
    platt = fit_platt(log_odds(predictions.at(rows).mean(axis=0)), space.labels[rows].toarray())
    if platt.slope <= 0:
        raise ValueError(f"{choice.name} gives labels more probability where they are rarer: it cannot be calibrated")
    return platt


def _check_rows(choice: Choice, predictions: Predictions, questions: pl.DataFrame) -> None:
    if predictions.row_hash != row_hash(questions):
        raise ValueError(f"predictions of {choice.name} were made for another question table: run it again")


def _question(title: str, body: str) -> pl.DataFrame:
    """Return a question table of one row; what nobody knows of a new question is null."""
    schema = pl.from_arrow(UNLABELLED.empty_table()).schema
    known = {"question_id": 0, "site": "asked", "title": title, "body": body, "tags": [], "group": 0, "split": "test"}
    return pl.DataFrame([{name: known.get(name) for name in schema}], schema)


def _with_tags(data: Data, tags: list[str]) -> Data:
    column = pl.Series("tags", [tags] * len(data.questions), data.questions.schema["tags"])
    return Data(data.questions.with_columns(column), data.streams, data.encoder)


def _tag_answer(tagger: Tagger, values: np.ndarray, found: Sequence[Piece], title: str, body: str) -> dict[str, Any]:
    """Return what a system says of labels, from calibrated probabilities (1 + pieces, k)."""
    thresholds, names = tagger.thresholds(), tagger.saved.labels
    order = np.argsort(-values[0], kind="stable")
    shown = [label for place, label in enumerate(order) if place < SHOWN or values[0, label] >= thresholds[label]]
    labels = [
        {
            "label": names[label],
            "probability": float(values[0, label]),
            "threshold": float(thresholds[label]),
            "given": bool(values[0, label] >= thresholds[label]),
        }
        for label in shown
    ]
    carried = {"label": names[order[0]], "pieces": _carried(values[:, order[0]], found, title, body)}
    return _named(tagger.choice) | {"labels": labels, "carried": carried}


def _score_answer(scorer: Scorer, values: np.ndarray, found: Sequence[Piece], title: str, body: str) -> dict[str, Any]:
    """Return what a system says of the score, from scores (1 + pieces,)."""
    (low,), (high,) = scorer.conformal(values[:1])
    bounds = {"low": float(low), "high": float(high), "coverage": scorer.conformal.coverage}
    carried = {"pieces": _carried(values, found, title, body)}
    return _named(scorer.choice) | {"score": float(values[0]), **bounds, "carried": carried}


def _named(choice: Choice) -> dict[str, Any]:
    return {"experiment": choice.run.name, "system": choice.system}


def _carried(values: np.ndarray, found: Sequence[Piece], title: str, body: str) -> list[Mapping[str, Any]]:
    """Return each piece with what is lost without it, from values (1 + pieces,)."""
    texts = {"title": title, "body": body}
    return [
        {**piece._asdict(), "text": piece.within(texts[piece.field]), "change": float(values[0] - value)}
        for piece, value in zip(found, values[1:], strict=True)
    ]
