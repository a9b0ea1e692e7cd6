"""Claim: 1,000,000 planted questions go through all of it in under 6 GB.

Ingestion, planted vectors in mapped files, tag space, one epoch of DSF-CrossAttn, and the evaluation of its
predictions; each stage in a process of its own, of which the largest counts. Vectors have the width of minilm's.
"""

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import torch
from scipy.special import expit

from benchmarks.planted import write_streams
from benchmarks.published import asymmetric_loss
from benchmarks.sizes import Sizes
from benchmarks.timing import Numbers, Result, elsewhere, once
from stackstudy.evaluation.bootstrap import paired_bootstrap
from stackstudy.evaluation.predictions import Predictions
from stackstudy.evaluation.tables import tag_systems
from stackstudy.models import training
from stackstudy.models.dsf import DSFCrossAttention
from stackstudy.questions.ingest import ingest
from stackstudy.questions.schema import read_questions, row_hash
from stackstudy.systems.data import TagData
from stackstudy.systems.networks import inputs_of, outputs_of
from stackstudy.systems.neural import BEST_F1
from stackstudy.tagspace.space import TagSpace, build_tagspace

LIMIT_MB = 6000.0
BATCH, RATE, NOISE = 1024, 1e-3, 2.0


def ingestion(folder: Path, sizes: Sizes) -> Callable[[], Numbers]:
    """Side that plants the questions and makes their table."""

    def work() -> Numbers:
        ingest(["planted"], folder / "questions.parquet", rows=sizes.many_rows)
        return {}

    return work


def tag_space(folder: Path, sizes: Sizes) -> Callable[[], Numbers]:
    """Side that makes the label space, of planted vectors of tags."""

    def work() -> Numbers:
        questions = read_questions(folder / "questions.parquet")
        tags = questions["tags"].explode().unique().sort().to_list()
        vectors = np.random.default_rng(0).standard_normal((len(tags), sizes.many_width))
        cut = {"centroids": sizes.many_labels, "minimum_count": 1, "orphan_cosine": -1.0, "branching": 100}
        space = build_tagspace(questions, tags, vectors, restarts=1, seed=0, **cut)
        space.save(folder / "space")
        np.save(folder / "labels.npy", space.labels.toarray())
        return {}

    return work


def network(folder: Path, sizes: Sizes) -> Callable[[], Numbers]:
    """Side that trains for an epoch and predicts validation and test rows."""

    def work() -> Numbers:
        data = _data(folder, ("title", "body"))
        inputs = inputs_of(data, ("title", "body"), "cpu")
        train, chosen_on = (torch.from_numpy(data.rows(split)) for split in ("train", "validation"))
        targets = torch.from_numpy(data.labels()).float()
        tensors = training.Data(inputs, targets, train, chosen_on)
        make = partial(DSFCrossAttention, sizes.many_width, sizes.many_hidden, sizes.many_labels, 0.1)
        options = training.Options(RATE, 0.01, BATCH, 1, None, "onecycle")
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            trained = training.train(make, asymmetric_loss(), tensors, BEST_F1, options, 0, Path(scratch))
        rows = data.rows("validation", "test")
        values = expit(outputs_of({0: trained.model}, inputs, rows)[0])
        hashed = row_hash(data.questions)
        Predictions("network", "tags", hashed, rows, np.array([0]), values[None]).save(folder / "network.npz")
        return {}

    return work


def evaluation(folder: Path, sizes: Sizes) -> Callable[[], Numbers]:
    """Side that evaluates the predictions."""

    def work() -> Numbers:
        data = _data(folder, ())
        predictions = Predictions.load(folder / "network.npz")
        systems = tag_systems([predictions], data.questions, data.space.labels)
        found = paired_bootstrap(systems, sizes.many_resamples, seed=0)
        return {"f1_micro": float(found.values["network"]["f1_micro"][0])}

    return work


def measure(sizes: Sizes, folder: Path) -> Iterator[Result]:
    stages = {}
    for stage in (ingestion, tag_space, network, evaluation):
        stages[stage.__name__] = once(stage, folder, sizes)
        if stage is tag_space:
            elsewhere(write_streams, folder, sizes.many_width, NOISE)
    largest = max(max(each.peak_mb, each.anonymous_mb) for each in stages.values())
    yield Result(
        name="million_questions",
        workload=f"{sizes.many_rows:,} questions from ingestion to evaluation",
        target="6,000 MB",
        met=largest <= LIMIT_MB,
        ours_seconds=sum(each.seconds for each in stages.values()),
        peak_memory_mb=largest,
        notes={
            **{f"{name}_seconds": each.seconds for name, each in stages.items()},
            **{f"{name}_mb": max(each.peak_mb, each.anonymous_mb) for name, each in stages.items()},
            "questions": sizes.many_rows,
            "labels": sizes.many_labels,
            "f1_micro": stages["evaluation"].numbers["f1_micro"],
        },
    )


def _data(folder: Path, streams: tuple[str, ...]) -> TagData:
    questions: pl.DataFrame = read_questions(folder / "questions.parquet")
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in streams}
    return TagData(questions, arrays, space=TagSpace.load(folder / "space"))
