"""Planted vectors in files: the size and type of the study's embeddings, with labels that can be learned from them."""

from pathlib import Path

import numpy as np

LABELS_PER_ROW = (1, 2, 3, 4, 5)  # as many as a question may have tags
BLOCK = 4096  # rows at a time, so that memory stays flat


def write_vectors(folder: Path, rows: int, width: int, labels: int, noise: float, seed: int = 0) -> None:
    """Write ``labels.npy`` (bool (rows, labels)), 1 to 5 a row at random, and what `write_streams` makes of them."""
    random = np.random.default_rng(seed)
    truth = _create(folder / "labels.npy", (rows, labels), bool)
    for start in range(0, rows, BLOCK):
        size = min(BLOCK, rows - start)
        counts = random.choice(LABELS_PER_ROW, size)
        ranks = random.random((size, labels)).argsort(axis=1).argsort(axis=1)
        truth[start : start + size] = ranks < counts[:, None]
    write_streams(folder, width, noise, seed)


def write_streams(folder: Path, width: int, noise: float, seed: int = 0) -> None:
    """Write ``title.npy`` and ``body.npy`` (float16 (rows, width), unit length) for the ``labels.npy`` there.

    A vector is the sum of a random direction for each label of its row, and of noise `noise` times as long as one.
    """
    random, truth = np.random.default_rng([seed, 1]), np.load(folder / "labels.npy", mmap_mode="r")
    rows, labels = truth.shape
    directions = _unit(random.standard_normal((labels, width), dtype=np.float32))
    files = [_create(folder / f"{name}.npy", (rows, width), np.float16) for name in ("title", "body")]
    for start in range(0, rows, BLOCK):
        block = truth[start : start + BLOCK].astype(np.float32)
        for file in files:
            noisy = noise * _unit(random.standard_normal((len(block), width), dtype=np.float32))
            file[start : start + BLOCK] = _unit(block @ directions + noisy)


def write_classes(folder: Path, rows: int, width: int, classes: int, noise: float, seed: int = 0) -> None:
    """Write ``body.npy`` (float16, unit length, (rows, width)) and ``classes.npy`` (int64 (rows,)), one class a row.

    Classes differ in size as tags do: the rank-th has a share of about 1 / (rank + 5).
    """
    random = np.random.default_rng(seed)
    shares = 1 / (np.arange(classes) + 5.0)
    chosen = np.concatenate([np.arange(classes).repeat(4), random.choice(classes, rows, p=shares / shares.sum())])[
        :rows
    ]
    random.shuffle(chosen)
    directions = _unit(random.standard_normal((classes, width), dtype=np.float32))
    noisy = noise * _unit(random.standard_normal((rows, width), dtype=np.float32))
    np.save(folder / "body.npy", _unit(directions[chosen] + noisy).astype(np.float16))
    np.save(folder / "classes.npy", chosen)


def write_pieces(folder: Path, rows: int, pieces: int, width: int) -> None:
    """Write ``body_tokens.npy`` (float16 (rows, pieces, width)) and ``body_tokens_mask.npy`` (bool (rows, pieces)).

    Numbers stand in the first rows alone; the others are a hole in the file, which reads as zeros and needs no disk.
    """
    random = np.random.default_rng(0)
    vectors = _create(folder / "body_tokens.npy", (rows, pieces, width), np.float16)
    some = min(rows, 256)
    vectors[:some] = _unit(random.standard_normal((some, pieces, width), dtype=np.float32))
    np.save(folder / "body_tokens_mask.npy", random.random((rows, 1)) * pieces >= np.arange(pieces))


def _create(path: Path, shape: tuple[int, ...], dtype: type) -> np.memmap:
    return np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
