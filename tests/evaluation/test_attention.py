"""Attention on a hand-made store, with a network whose weights can be told beforehand."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

from stackstudy.embeddings.store import write_sidecar
from stackstudy.evaluation import attention
from stackstudy.models import saving
from stackstudy.questions.schema import row_hash

PIECES = [1, 5, 4, 2, 9, 6]  # of each question


class Dot(nn.Module):
    """One head, which weighs the keys by their product with the title."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.arguments = {"inputs": inputs}

    def attention(self, title, keys, mask):
        return (keys @ title[:, :, None]).masked_fill(~mask[:, :, None], -torch.inf).softmax(1).transpose(1, 2)


class WordTokenizer:
    """Knows each text as a window of two tokens, a special one and its number."""

    def decode(self, ids, skip_special_tokens):
        assert skip_special_tokens
        return f"piece {ids[1]}"

    def convert_ids_to_tokens(self, ids):
        return [f"token {i}" for i in ids]


class WordEncoder:
    model = SimpleNamespace(tokenizer=WordTokenizer())

    def tokenize(self, texts, max_length, windows=1):
        if windows == 1:
            ids = range(len(texts[0].split()))
            return [[{"input_ids": [99, *ids], "special_tokens_mask": [1] + [0] * len(ids)}]]
        return [[{"input_ids": [99, i]} for i, _ in enumerate(text.split())] for text in texts]


@pytest.fixture
def questions() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "question_id": np.arange(6),
            "site": "planted",
            "title": [f"title {i}" for i in range(6)],
            "body": [" ".join(["word"] * count) for count in PIECES],
            "split": ["test"] * 5 + ["train"],
        }
    )


@pytest.fixture
def vectors() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(sum(PIECES), 3)).astype(np.float16)


@pytest.fixture
def store(tmp_path, questions, vectors):
    """Chunks and tokens of the same vectors, and a title that points along the first axis."""
    about = {"row_hash": row_hash(questions), "encoder": "words", "max_length": 8, "max_chunks": 9}
    about["sequence_tokens"] = 9
    offsets = np.concatenate([[0], np.cumsum(PIECES)])
    tokens, mask = np.zeros((6, 9, 3), np.float16), np.arange(9) < np.array(PIECES)[:, None]
    tokens[mask] = vectors
    arrays = {
        "title": {"title": np.tile(np.float16([1, 0, 0]), (6, 1))},
        "body_chunks": {"body_chunks": vectors, "body_chunks_offsets": offsets},
        "body_tokens": {"body_tokens": tokens, "body_tokens_mask": mask},
    }
    for stream, parts in arrays.items():
        for name, array in parts.items():
            np.save(tmp_path / f"{name}.npy", array)
        write_sidecar(tmp_path, stream, about, {name: array.shape for name, array in parts.items()})
    return tmp_path


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a maker of a run folder with a network that reads these streams."""
    monkeypatch.setitem(saving.CLASSES, "Dot", Dot)
    monkeypatch.setattr(attention, "load_encoder", lambda name, device: WordEncoder())

    def make(*streams: str):
        folder = tmp_path / "13-dot"
        (folder / "predictions").mkdir(parents=True)
        (folder / "predictions" / "dot.npz").touch()
        saving.save_model(saving.SavedModel({0: Dot(3)}, {0: 0.5}, streams, ("a",), "words"), folder / "model")
        return folder

    return make


@pytest.mark.parametrize(("keys", "word"), [("body_chunks", "piece"), ("body_tokens", "token")])
def test_weights_stand_beside_the_pieces_they_belong_to(keys, word, run, store, questions, vectors):
    found = attention.examples("dot", [run("title", keys)], store, questions, count=2)
    assert [example.title for example in found] == ["title 1", "title 2"], "the test questions nearest to five pieces"
    assert found[0].pieces == tuple(f"{word} {i}" for i in range(5))
    logits = vectors[1:6, 0].astype(np.float64)
    np.testing.assert_allclose(found[0].weights, [np.exp(logits) / np.exp(logits).sum()], rtol=1e-4)
    assert found[1].weights.shape == (1, 4)


def test_the_texts_of_people_are_not_shown(run, store, questions):
    real = questions.with_columns(site=pl.lit("stackoverflow"))
    assert attention.examples("dot", [run("title", "body_chunks")], store, real) == []


def test_there_is_nothing_to_show_of_a_system_that_did_not_run(store, questions, tmp_path):
    assert attention.examples("dot", [tmp_path], store, questions) == []


def test_one_key_is_no_attention(run, store, questions):
    with pytest.raises(ValueError, match="dot attends to no pieces of the body; it reads title, body"):
        attention.examples("dot", [run("title", "body")], store, questions)
