"""Apply the saved systems of a finished run to new questions, and judge them where the answers are known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from stackstudy.embeddings.embed import embed_questions
from stackstudy.embeddings.encoder import Encoder
from stackstudy.embeddings.endpoint import Endpoint, load
from stackstudy.embeddings.store import COMPANIONS, load_stream, stream_metadata
from stackstudy.evaluation import tags
from stackstudy.evaluation.bootstrap import paired_bootstrap
from stackstudy.evaluation.predictions import Predictions
from stackstudy.evaluation.score_tables import WITHIN, score_systems
from stackstudy.evaluation.tables import Systems, summary, with_intervals
from stackstudy.params import Embeddings
from stackstudy.paths import replacing
from stackstudy.questions.columns import LABELS
from stackstudy.questions.ingest import IngestReport, ingest
from stackstudy.questions.schema import row_hash
from stackstudy.runs.upstream import upstream
from stackstudy.runs.yaml_files import read_yaml
from stackstudy.systems.data import Data
from stackstudy.systems.raw_tags import titles_for_bodies
from stackstudy.systems.saved import Saved, saved_systems
from stackstudy.tagspace.space import TagSpace

RESAMPLES, SEED = 2_000, 0  # of the intervals
METRICS = {
    "tags": ("f1_micro", "f1_weighted", "precision_at_1", "lrap", "ece"),  # a few questions do not show all labels
    "scores": ("rmse", "mae", "r2", "r2_log", "spearman", *WITHIN),
}
OWN_SPACE = "tagspace"  # folder of the labels in a run that has labels of its own: raw tags
EMBEDDED = ("max_length", "sequence_tokens", "chunk_length", "max_chunks", "tokens_per_batch")  # parameters of it


@dataclass(frozen=True, eq=False)
class Predicted:
    """How good the predictions for a question file are."""

    metrics: pl.DataFrame | None  # one row per system, with intervals; None where no question has labels
    notes: tuple[str, ...]  # what one has to know to read them


def predict(run: Path, source: str | Path, out: Path, *, site: str | None = None) -> Predicted:
    """Apply the saved systems of the run folder `run` to the questions in `source`, and write `out`, a parquet file.

    `source` is what `ingest` reads, where tags may be missing for tag systems, and scores for all. `out` has a row per
    system and question: question_id, site, system, and of tag systems ``labels`` and their ``probabilities``, both
    lists, likeliest first; of score systems ``score``. A system with several seeds predicts the mean of their
    probabilities or scores; a label is predicted where its probability reaches the mean of the thresholds that were
    chosen for each seed when the system was trained, on validation rows. The metrics are those of what is in `out`.

    FileNotFoundError, ValueError: the run is not finished, saved nothing that can be used or has changed since, the
    encoder is not the one that it was trained with, or there are no questions.
    """
    systems = saved_systems(run)
    kind = systems[0].kind
    with replacing(out) as fresh, TemporaryDirectory(dir=fresh.parent) as scratch:
        table = Path(scratch) / "questions.parquet"
        optional = LABELS if kind == "tags" else ("score",)  # who asks for a score has chosen the tags
        report = ingest([source], table, site=site, optional=optional)
        questions = pl.read_parquet(table)
        data = as_in_training(run, Data(questions, _embedded(run, systems, questions, Path(scratch) / "embeddings")))
        values = {system.name: system.values(data) for system in systems}
        if kind == "tags":
            metrics, notes = _tag_metrics(run, systems, values, questions)
        else:
            metrics, notes = _score_metrics(values, questions)
        notes = (*_read(report), *notes, *(_known(run, questions) if metrics is not None else ()))
        rows = _tag_rows if kind == "tags" else _score_rows
        pl.concat([rows(system, values[system.name], questions) for system in systems]).write_parquet(fresh)
    return Predicted(metrics, notes)


def as_in_training(run: Path, data: Data) -> Data:
    """Return questions as the systems of a run read them: those with labels of their own, a title for an empty body."""
    return titles_for_bodies(data) if (run / OWN_SPACE).exists() else data


def space_of(run: Path) -> TagSpace:
    """Return the labels that the systems of a run predict: its own, or else the centroids."""
    own = (run / OWN_SPACE).exists()
    return TagSpace.load((run if own else upstream(run, "03-tag-centroids")) / OWN_SPACE)


def _read(report: IngestReport) -> list[str]:
    """Return how many questions were read, and why others were not."""
    reasons = ", ".join(f"{reason} ({count:,})" for reason, count in report.rejected.items())
    return [f"{report.questions:,} questions", *([f"left out: {reasons}"] if reasons else [])]


def _known(run: Path, questions: pl.DataFrame) -> list[str]:
    """Return how many of the questions the systems have been fitted to or chosen by."""
    columns = ["site", "question_id", "split"]
    table = pl.read_parquet(upstream(run, "01-questions") / "questions.parquet", columns=columns)
    known = questions.select(columns[:2]).join(table.filter(pl.col("split") != "test"), on=columns[:2], how="semi")
    seen = "training or validation questions of the run, so that the metrics are too kind"
    return [f"{len(known):,} of them were {seen}"] if len(known) else []


class StoreEncoder(NamedTuple):
    """How the questions of a finished store were embedded."""

    encoder: Encoder | Endpoint
    options: dict[str, int]  # of `embed_questions`

    def embed(self, questions: pl.DataFrame, streams: Sequence[str], folder: Path) -> dict[str, np.ndarray]:
        """Return streams of new questions with what they bring along, made in `folder` as those of the store were."""
        embed_questions(questions, folder, encoder=self.encoder, streams=streams, **self.options)
        names = (*streams, *(name for name, stream in COMPANIONS.items() if stream in streams))
        return {name: load_stream(folder, name, row_hash=row_hash(questions)) for name in names}


def store_encoder(store: Path, systems: Sequence[Saved]) -> StoreEncoder:
    """Return the encoder of the run that made a store, on the device at hand.

    ValueError: its name now stands for another one, or a system was trained with vectors of another.
    """
    made = Embeddings(**read_yaml(store / "params.yaml"))
    encoder = load(made.encoder)
    for sidecar in (stream_metadata(store, stream) for stream in streams_of(systems) or ["title"]):
        _check_vectors(systems, sidecar, store)
        _check_encoder(encoder, sidecar, store)
    return StoreEncoder(encoder, made.model_dump(include=set(EMBEDDED)))


def streams_of(systems: Sequence[Saved]) -> list[str]:
    """Return the streams that any of the systems reads."""
    return sorted({stream for system in systems for stream in system.streams})


def _embedded(run: Path, systems: Sequence[Saved], questions: pl.DataFrame, folder: Path) -> dict[str, np.ndarray]:
    """Return the streams that the systems of a run read, made of `questions` in `folder`."""
    streams = streams_of(systems)
    if not streams:
        return {}
    return store_encoder(upstream(run, "02-embeddings"), systems).embed(questions, streams, folder)


def _check_vectors(systems: Sequence[Saved], sidecar: Mapping[str, Any], store: Path) -> None:
    """Raise ValueError where a system was trained with vectors of another encoder than the store's."""
    for system in systems:
        if system.streams and system.encoder != sidecar["model"]:
            found = f"{system.encoder}, but {store} holds those of {sidecar['model']}"
            raise ValueError(f"{system.name} was trained with vectors of {found}: run its experiment again")


def _check_encoder(encoder: Encoder | Endpoint, sidecar: Mapping[str, Any], store: Path) -> None:
    """Raise ValueError where the name of an encoder now stands for another than the store's."""
    if (encoder.model_id, encoder.weight_hash) != (sidecar["model"], sidecar["weight_sha256"]):
        raise ValueError(f"encoder {encoder.name} is no longer the one with which {store} was made: run that again")


def _tag_rows(system: Saved, values: np.ndarray, questions: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of `predict` for probabilities (n, k)."""
    order = np.argsort(-values, axis=1, kind="stable")
    ranked, names = np.take_along_axis(values, order, axis=1), np.array(system.labels)
    given = np.take_along_axis(values >= np.float32(system.threshold), order, axis=1)
    columns = {
        "labels": [names[row[mask]].tolist() for row, mask in zip(order, given, strict=True)],
        "probabilities": [row[mask].tolist() for row, mask in zip(ranked, given, strict=True)],
    }
    types = {"labels": pl.List(pl.String), "probabilities": pl.List(pl.Float32)}
    return _identified(system, questions).hstack(pl.DataFrame(columns, types))


def _score_rows(system: Saved, values: np.ndarray, questions: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of `predict` for scores (n,)."""
    return _identified(system, questions).with_columns(score=pl.Series(values))


def _identified(system: Saved, questions: pl.DataFrame) -> pl.DataFrame:
    return questions.select("question_id", "site", pl.lit(system.name).alias("system"))


def _tag_metrics(
    run: Path, systems: Sequence[Saved], values: Mapping[str, np.ndarray], questions: pl.DataFrame
) -> tuple[pl.DataFrame | None, tuple[str, ...]]:
    """Return the metrics over the questions that have tags, and notes on these."""
    tagged = np.flatnonzero(questions["tags"].list.len().to_numpy())
    if not tagged.size:
        return None, ("no question has tags, so nothing can be said on the quality",)
    space = space_of(run)
    if wrong := [system.name for system in systems if system.labels != tuple(space.names)]:
        raise ValueError(f"{wrong[0]} predicts other labels than those in the tag space of {run}: run it again")
    given = questions["tags"].gather(tagged)
    truth = space.labels_of(given).toarray()
    judged: Systems = {
        system.name: [tags.row_sums(values[system.name][tagged], truth, system.threshold)] for system in systems
    }
    uses = given.explode()
    never = uses.filter(~uses.is_in(space.tags["tag"].implode()))
    notes = (
        f"{tagged.size:,} of {len(questions):,} questions have tags, and are judged",
        f"{never.n_unique():,} of their {uses.n_unique():,} tags ({len(never):,} of {len(uses):,} uses) were never "
        "seen by the run, and count as no label",
        f"{(~truth.any(axis=1)).sum():,} of them have no label at all",
    )
    return _summary(judged, "tags"), notes


def _score_metrics(
    values: Mapping[str, np.ndarray], questions: pl.DataFrame
) -> tuple[pl.DataFrame | None, tuple[str, ...]]:
    """Return the metrics over the questions that have a score, and notes on these."""
    scored = questions["score"].is_not_null().arg_true().to_numpy()
    if not scored.size:
        return None, ("no question has a score, so nothing can be said on the quality",)
    judged = questions[scored].with_columns(split=pl.lit("test"))
    about = "scores", row_hash(judged), np.arange(scored.size), np.array([0])
    predictions = [Predictions(name, *about, found[None, scored]) for name, found in values.items()]
    notes = (f"{scored.size:,} of {len(questions):,} questions have a score, and are judged",)
    return _summary(score_systems(predictions, judged), "scores"), notes


def _summary(systems: Systems, kind: str) -> pl.DataFrame:
    table = summary(paired_bootstrap(systems, RESAMPLES, SEED))
    return with_intervals(table, [metric for metric in METRICS[kind] if metric in table.columns])
