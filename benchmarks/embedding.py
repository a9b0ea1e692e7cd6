"""Claim: bodies are embedded at least 4 times as fast as by plain calls, at a cosine of .99 or better to float32.

2,000 planted bodies and minilm. The usual way: batches of 32 in the order of the table, each padded to the most that
the model reads. Each round takes another part of the bodies, the usual way an eighth of that, since all its texts cost
alike; seconds are scaled to all bodies.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.sizes import Sizes
from benchmarks.timing import Numbers, Result, in_turn, once
from stackstudy.embeddings.embed import embed_questions
from stackstudy.embeddings.encoder import load_encoder
from stackstudy.embeddings.store import load_stream
from stackstudy.questions.planted import plant

BATCH = 32
USUAL_PART = 8
COUNTED = 64  # bodies whose operations are counted
COSINE = 0.99
CUTS = {"sequence_tokens": 32, "chunk_length": 128, "max_chunks": 16, "tokens_per_batch": 8192}


def ours(folder: Path, bodies: int, rounds: int = 1) -> Callable[[], Numbers]:
    """Side that fills an embedding store."""
    encoder, questions, numbers = load_encoder("minilm", "cpu"), plant(bodies), count()
    most = encoder.model.max_seq_length

    def work() -> Numbers:
        part = _part(questions, rounds, number := next(numbers) % rounds)
        with tempfile.TemporaryDirectory() as scratch:
            began, store = time.perf_counter(), Path(scratch)
            embed_questions(part, store, encoder=encoder, max_length=most, streams=("body",), **CUTS)
            seconds = time.perf_counter() - began
            np.save(folder / f"ours-{number}.npy", np.array(load_stream(store, "body"), dtype=np.float32))
        return {"seconds": seconds * bodies / len(part)}

    return work


def usual(folder: Path, bodies: int, rounds: int) -> Callable[[], Numbers]:
    """Side that calls the model as it comes."""
    encoder, questions, numbers = load_encoder("minilm", "cpu"), plant(bodies), count()
    model, most = encoder.model, encoder.model.max_seq_length

    def work() -> Numbers:
        part = _part(questions, rounds, number := next(numbers) % rounds)["body"].to_list()
        some, vectors = part[: max(len(part) // USUAL_PART, 1)], []
        began = time.perf_counter()
        with torch.inference_mode():
            for start in range(0, len(some), BATCH):
                texts = some[start : start + BATCH]
                padded = model.tokenizer(
                    texts, padding="max_length", truncation=True, max_length=most, return_tensors="pt"
                )
                vectors.append(model(dict(padded))["sentence_embedding"].numpy())
        seconds = time.perf_counter() - began
        np.save(folder / f"usual-{number}.npy", np.concatenate(vectors))
        return {"seconds": seconds * bodies / len(some)}

    return work


def work_of_a_body(bodies: int) -> Callable[[], Numbers]:
    """Side that counts tokens, and floating point operations of matrix products, of a mean body."""
    encoder, texts = load_encoder("minilm", "cpu"), plant(bodies)["body"].to_list()[:COUNTED]

    def work() -> Numbers:
        windows = [window for (window,) in encoder.tokenize(texts, encoder.model.max_seq_length)]
        with FlopCounterMode(display=False) as counter:
            for window in windows:  # one at a time: padding is no work of theirs
                encoder.forward([window])
        tokens = sum(len(window["input_ids"]) for window in windows)
        return {"tokens": tokens / len(texts), "operations": counter.get_total_flops() / len(texts)}

    return work


def measure(sizes: Sizes, folder: Path) -> Iterator[Result]:
    shared = (folder, sizes.bodies, sizes.rounds)
    found = in_turn(sizes.rounds, ours=(ours, *shared), usual=(usual, *shared))
    work = once(work_of_a_body, sizes.bodies)
    own, plain = found["ours"], found["usual"]
    cosine = min(_least_cosine(folder, number) for number in range(sizes.rounds))
    yield Result(
        name="embedding",
        workload=f"minilm, {sizes.bodies:,} bodies",
        target="4x at cosine .99",
        met=plain.seconds / own.seconds >= 4 and cosine >= COSINE,
        ours_seconds=own.seconds,
        usual_seconds=plain.seconds,
        peak_memory_mb=own.peak_mb,
        notes={"least_cosine": cosine, "bodies": sizes.bodies, **work.numbers},
    )


def _part(questions: pl.DataFrame, rounds: int, number: int) -> pl.DataFrame:
    return questions.gather_every(rounds, number)


def _least_cosine(folder: Path, number: int) -> float:
    plain = np.load(folder / f"usual-{number}.npy")
    own = np.load(folder / f"ours-{number}.npy")[: len(plain)]
    lengths = np.linalg.norm(own, axis=1) * np.linalg.norm(plain, axis=1)
    return float(((own * plain).sum(axis=1) / lengths).min())
