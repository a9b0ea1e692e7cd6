"""A random sentence-transformers model of a few thousand weights, and a question table that fits it."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
from tiny_encoder import WORDS, build_model

from stackstudy.embeddings.encoder import Encoder, load_encoder


@pytest.fixture(scope="session")
def build() -> Callable[..., Path]:
    return build_model


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory) -> Path:
    return build_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny(model_folder) -> Encoder:
    return load_encoder(str(model_folder), "cpu")


def words(start: int, count: int) -> str:
    return " ".join(WORDS[(start + i * i) % len(WORDS)] for i in range(count))


@pytest.fixture(scope="session")
def table() -> Callable[..., pl.DataFrame]:
    def make(rows: int, **changed: list) -> pl.DataFrame:
        columns = {
            "question_id": list(range(100, 100 + rows)),
            "site": ["example.org"] * rows,
            "title": [words(i, 3 + i % 4) for i in range(rows)],
            "body": [words(i * 7, i * 5 % 90) for i in range(rows)],  # every 18th is empty
            "tags": [["c++", f"web-{i % 3}"] for i in range(rows)],
            "created": [datetime(2020, 1, 1)] * rows,
            "split": ["train"] * rows,
        }
        return pl.DataFrame({**columns, **changed})

    return make
