"""Embedding on several workers: the same bytes as on one machine, and what is made already is not made again."""

import numpy as np
import pytest
import tiny_encoder

from stackstudy.embeddings import embed as module
from stackstudy.embeddings import embed_on_ray, shards
from stackstudy.embeddings.embed import embed_questions

ray = pytest.importorskip("ray", reason="needs the extra cluster")
pytestmark = pytest.mark.cluster

SIZES = {"max_length": 24, "sequence_tokens": 6, "chunk_length": 12, "max_chunks": 4, "tokens_per_batch": 128}
ROWS = 40


@pytest.fixture(scope="module", autouse=True)
def two_cores():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "SHARD_TEXTS", 7)
        ray.cloudpickle.register_pickle_by_value(tiny_encoder)
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=80 * 2**20)
        yield
        ray.shutdown()


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def alone(tmp_path_factory, tiny, table):
    folder = tmp_path_factory.mktemp("alone")
    embed_questions(table(ROWS), folder, encoder=tiny, **SIZES)
    return contents(folder)


def test_two_workers_write_the_bytes_of_one_machine(alone, tiny, table, tmp_path):
    embed_questions(table(ROWS), tmp_path, encoder=tiny, **SIZES, workers=2)
    assert contents(tmp_path) == alone


def test_what_a_killed_call_has_made_is_not_made_again(alone, tiny, table, tmp_path, monkeypatch):
    given = []

    def killed(shards, missing, texts, encode, encoder, workers):
        yield from embed_on_ray.fill_on_ray(shards, missing[:3], texts, encode, encoder, workers)
        raise KeyboardInterrupt

    def counting(shards, missing, *rest):
        given.append(len(missing))
        return embed_on_ray.fill_on_ray(shards, missing, *rest)

    monkeypatch.setattr(module, "fill_on_ray", killed)
    with pytest.raises(KeyboardInterrupt):
        embed_questions(table(ROWS), tmp_path, encoder=tiny, **SIZES, workers=2, streams=["body"])
    monkeypatch.setattr(module, "fill_on_ray", counting)
    embed_questions(table(ROWS), tmp_path, encoder=tiny, **SIZES, workers=2)
    of_bodies = -(-len({*table(ROWS)["body"]}) // 7)
    assert given[-1] == of_bodies
    embed_questions(table(ROWS), tmp_path, encoder=tiny, **SIZES, workers=2)
    assert contents(tmp_path) == alone


def test_bad_vectors_and_missing_cores_are_named(tiny, table, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="workers: 3 are asked for, the Ray cluster has 2 CPUs"):
        embed_questions(table(ROWS), tmp_path, encoder=tiny, **SIZES, workers=3)

    def broken(encoder, texts, **_):
        vectors = np.ones((len(texts), 16), np.float16)
        vectors[-1] = np.inf
        return {"title": vectors}

    monkeypatch.setattr(module, "_pooled", broken)
    with pytest.raises(ValueError, match=r"embedding title: the vector of row 6 \(106\) is not finite in float16"):
        embed_questions(table(ROWS), tmp_path, encoder=tiny, **SIZES, workers=2, streams=["title"])
