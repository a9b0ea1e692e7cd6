"""500 questions with 8 labels, in three splits."""

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_array

ROWS, LABELS = 500, 8


@pytest.fixture
def questions() -> pl.DataFrame:
    random = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "question_id": np.arange(ROWS),
            "site": "planted",
            "score": random.integers(0, 50, ROWS),
            "stratum": random.choice(["a", "b", None], ROWS),
            "split": random.choice(["train", "validation", "test"], ROWS, p=[0.4, 0.2, 0.4]),
        }
    )


@pytest.fixture
def labels() -> csr_array:
    return csr_array(np.random.default_rng(1).random((ROWS, LABELS)) < 0.3)
