"""Embedding on a Ray cluster: Ray Data hands the texts of each shard to one of many encoders, which writes it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stackstudy.embeddings.encoder import Encoder
from stackstudy.embeddings.endpoint import Endpoint, load
from stackstudy.embeddings.shards import Arrays, Filled, Shards
from stackstudy.runs.ray_executor import cluster

Encode = Callable[[Encoder | Endpoint, list[str]], Arrays]


def fill_on_ray(
    shards: Shards,
    missing: Sequence[tuple[int, int]],
    texts: Sequence[str],
    encode: Encode,
    encoder: Encoder | Endpoint,
    workers: int,
) -> Filled:
    """Make the `missing` shards on `workers` encoders, a GPU each if `encoder` is on one, else a core each.

    They are those of the cluster of RAY_ADDRESS, or of a Ray that is started here; its machines see the store under the
    same path. A shard is made of the same texts in the same batches as on one machine, and so has the same vectors. Its
    texts are in a parquet file until it is made. ValueError: the cluster has fewer cores or GPUs than that.
    """
    with cluster({"GPU" if encoder.device == "cuda" else "CPU": workers}) as ray:
        files = [{"path": _write_texts(shards, texts, *borders)} for borders in missing]
        ray.data.DataContext.get_current().enable_progress_bars = False
        # The workers read the files themselves: tasks that did would wait for a core, which the workers have all taken.
        made = ray.data.from_items(files, override_num_blocks=len(files)).map_batches(
            _Worker,
            fn_constructor_args=(shards, encode, encoder.name, encoder.device),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=workers),
            **({"num_gpus": 1} if encoder.device == "cuda" else {"num_cpus": 1}),
        )
        for row in made.iter_rows():
            yield (row["start"], row["stop"]), (row["stream"], row["text"]) if row["stream"] else None


def _write_texts(shards: Shards, texts: Sequence[str], start: int, stop: int) -> str:
    path = shards.folder / f"texts-{start}.parquet"
    pq.write_table(pa.table({"text": list(texts[start:stop])}, metadata={"start": str(start)}), path)
    return str(path)


class _Worker:
    """An encoder of one process; it makes a shard at a time."""

    def __init__(self, shards: Shards, encode: Encode, name: str, device: str) -> None:
        self.shards, self.encode = shards, encode
        self.encoder = load(name, device)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        path = Path(str(batch["path"][0]))
        table = pq.read_table(path)
        start = int(table.schema.metadata[b"start"])
        bad = self.shards.write(start, self.encode(self.encoder, table["text"].to_pylist()))
        path.unlink()
        stream, text = bad or ("", -1)
        return {"start": [start], "stop": [start + len(table)], "stream": [stream], "text": [text]}
