from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_array

from stackstudy.systems.data import Data, TagData
from stackstudy.tagspace.space import TagSpace

LABELS = ("python", "java", "sql", "css", "git")
DIMENSION = 16


@pytest.fixture
def data() -> TagData:
    """400 questions whose body vector and words follow from their labels, and whose score follows from their words."""
    random = np.random.default_rng(0)
    labels = random.random((400, len(LABELS))) < 0.25
    labels[~labels.any(axis=1), 0] = True
    directions = random.normal(size=(len(LABELS), DIMENSION))
    body = (labels @ directions + 0.7 * random.normal(size=(400, DIMENSION))).astype(np.float16)
    filler = np.array(["how", "can", "we", "make", "this", "work", "when", "that", "fails", "again", "today"])
    texts = [" ".join([*np.array(LABELS)[true].repeat(3), *random.choice(filler, 8)]) for true in labels]
    questions = pl.DataFrame(
        {
            "question_id": np.arange(1, 401),
            "site": "planted",
            "title": [text[:20] for text in texts],
            "body": texts,
            "score": (labels @ [9, 5, 0, -3, 1] + random.integers(-1, 2, 400)).astype(np.int32),
            "stratum": None,
            "split": random.choice(["train", "validation", "test"], 400, p=[0.6, 0.2, 0.2]),
        },
        schema_overrides={"stratum": pl.String},
    )
    space = TagSpace(list(LABELS), np.eye(len(LABELS), DIMENSION, dtype=np.float32), pl.DataFrame(), csr_array(labels))
    return TagData(questions, {"body": body}, "toy", space=space)


@pytest.fixture
def compared(data: TagData) -> TagData:
    """The same questions with title vectors, and a tag for each label, which the texts name."""
    title = data.streams["body"] + np.random.default_rng(1).normal(size=data.streams["body"].shape)
    tags = pl.DataFrame({"tag": LABELS, "count": 9, "centroid": range(len(LABELS))})
    streams = {"title": title.astype(np.float16), **data.streams}
    return replace(data, streams=streams, space=replace(data.space, tags=tags))


@pytest.fixture
def asked(data: TagData) -> Data:
    """The same questions as score systems read them: with tags, two samples, a time for most, and a title vector."""
    random = np.random.default_rng(1)
    moments = pl.datetime_range(
        pl.datetime(2020, 1, 1), pl.datetime(2020, 12, 31), "17h", time_unit="us", eager=True
    ).head(400)
    questions = data.questions.with_columns(
        tags=pl.Series([["a", "b"], ["a", "b"], ["c"], ["c"]] * 100),
        stratum=pl.Series(["old", "new"] * 200),
        created=pl.Series([None, *moments[1:]], dtype=pl.Datetime("us")),
    )
    title = (data.streams["body"] + 0.5 * random.normal(size=(400, DIMENSION))).astype(np.float16)
    return Data(questions, {"title": title, **data.streams}, "toy")
