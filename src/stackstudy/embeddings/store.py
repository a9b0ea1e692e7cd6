"""The embedding store: one memory-mapped float16 array a stream, and a sidecar that says what it was made of."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stackstudy.paths import replacing

# Arrays that a stream brings with it; they share its sidecar.
COMPANIONS = {"body_tokens_mask": "body_tokens", "body_chunks_offsets": "body_chunks"}


def load_stream(
    folder: Path, stream: str, *, row_hash: str | None = None, model: str | None = None, text_hash: str | None = None
) -> np.ndarray:
    """Map a stream, or a companion such as ``body_tokens_mask``, into memory, read-only.

    What is given must be what the store was made with, `model` being a model id; a mismatch is a ValueError.
    """
    metadata = stream_metadata(folder, stream)
    for name, wanted in {"row_hash": row_hash, "model": model, "text_hash": text_hash}.items():
        if wanted is not None and metadata[name] != wanted:
            raise ValueError(
                f"{Path(folder) / stream}.npy was made with {name} {metadata[name]}, but {wanted} is asked for: "
                "embed these questions with this model again (notebook 02-embeddings)"
            )
    array = np.load(Path(folder) / f"{stream}.npy", mmap_mode="r")
    if list(array.shape) != (expected := metadata["shapes"][stream]):
        raise ValueError(
            f"{Path(folder) / stream}.npy has shape {list(array.shape)}, but its sidecar says {expected}: embed again"
        )
    return array


def stream_metadata(folder: Path, stream: str) -> dict[str, Any]:
    """Return the sidecar of a stream: model, weight_sha256, row_hash, shapes, and for ``tag`` the `tags` in order."""
    path = Path(folder) / f"{COMPANIONS.get(stream, stream)}.json"
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: the store has no complete stream {stream}; run 02-embeddings")
    return json.loads(path.read_text(encoding="utf-8"))


def is_complete(folder: Path, stream: str, metadata: Mapping[str, Any]) -> bool:
    """Tell whether a stream is there and was made with exactly `metadata`."""
    try:
        present = stream_metadata(folder, stream)
    except FileNotFoundError:
        return False
    present.pop("shapes")
    return present == json.loads(json.dumps(metadata))


def remove_sidecar(folder: Path, stream: str) -> None:
    """Mark a stream as incomplete, before its arrays are replaced one after the other."""
    (Path(folder) / f"{stream}.json").unlink(missing_ok=True)


def write_sidecar(folder: Path, stream: str, metadata: Mapping[str, Any], shapes: Mapping[str, Iterable[int]]) -> None:
    """Write the sidecar of a stream, last, with the shape of each of its arrays: a stream without one is incomplete."""
    content = {**metadata, "shapes": {name: list(shape) for name, shape in shapes.items()}}
    with replacing(Path(folder) / f"{stream}.json") as fresh:
        fresh.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def link_store(source: Path, target: Path) -> None:
    """Give the complete streams of `source` to `target` too: hard links where the disk has them, copies elsewhere."""
    for sidecar in sorted(Path(source).glob("*.json")):
        for name in (*stream_metadata(source, sidecar.stem)["shapes"], sidecar.name):
            path = Path(source) / (name if name.endswith(".json") else f"{name}.npy")
            with replacing(Path(target) / path.name) as fresh:
                try:
                    fresh.hardlink_to(path)
                except OSError:
                    shutil.copyfile(path, fresh)


def text_hash(texts: Iterable[str]) -> str:
    """Return the sha256 over texts in order, each preceded by its length in bytes."""
    digest = hashlib.sha256()
    for text in texts:
        content = text.encode("utf-8", "surrogatepass")
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()
