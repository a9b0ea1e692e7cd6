from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from stackstudy.embeddings import embed as module
from stackstudy.embeddings import shards as shards_module
from stackstudy.embeddings.embed import embed_questions
from stackstudy.embeddings.encoder import Encoder, load_encoder
from stackstudy.embeddings.store import load_stream, stream_metadata
from stackstudy.questions.schema import row_hash

SIZES = {
    "max_length": 24,
    "sequence_tokens": 6,
    "chunk_length": 12,
    "max_chunks": 4,
    "tokens_per_batch": 128,
}
ROWS = 40


@pytest.fixture(scope="module", autouse=True)
def _float32():
    """As the fixture of that name; the store is made once for all tests of this module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
        yield


@pytest.fixture(autouse=True, scope="module")
def small_shards():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards_module, "SHARD_TEXTS", 7)
        yield


@pytest.fixture(scope="module")
def store(tmp_path_factory, small_shards, tiny, table):
    folder = tmp_path_factory.mktemp("store")
    embed_questions(table(ROWS), folder, encoder=tiny, **SIZES)
    return folder


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def close_to_encode(vectors, encoder, texts):
    encoder.model.max_seq_length = SIZES["max_length"]
    np.testing.assert_allclose(vectors, encoder.model.encode(texts, normalize_embeddings=True), atol=2e-3)


def test_the_store_holds_every_stream_and_nothing_else(store):
    names = {"title", "body", "body_tokens", "body_chunks", "tag"}
    arrays = names | {"body_tokens_mask", "body_chunks_offsets"}
    assert set(contents(store)) == {f"{name}.json" for name in names} | {f"{name}.npy" for name in arrays}


@pytest.mark.parametrize("streams", [("title",), ("body",), ("body_tokens",), ("tag", "body_chunks")])
def test_only_the_streams_that_are_asked_for_are_made(store, tiny, table, tmp_path, streams):
    embed_questions(table(ROWS), tmp_path / "some", encoder=tiny, **SIZES, streams=streams)
    made = contents(tmp_path / "some")
    assert {name.split(".")[0] for name in made if name.endswith(".json")} == set(streams)
    for name in (name for name in made if name.endswith(".npy")):  # in batches of other texts, so to rounding
        np.testing.assert_allclose(np.load(tmp_path / "some" / name), np.load(store / name), atol=4e-3)


def test_questions_without_tags_can_be_embedded(tiny, table, tmp_path):
    untagged = table(2).with_columns(tags=pl.lit([], pl.List(pl.String)))
    embed_questions(untagged, tmp_path / "untagged", encoder=tiny, **SIZES, streams=("title",))
    assert load_stream(tmp_path / "untagged", "title").shape == (2, 16)


def test_title_and_body_are_in_row_order(store, tiny, table):
    questions = table(ROWS)
    for stream in ("title", "body"):
        vectors = load_stream(store, stream, row_hash=row_hash(questions), model=tiny.model_id)
        assert (vectors.dtype, vectors.shape) == (np.float16, (ROWS, 16))
        close_to_encode(vectors, tiny, questions[stream].to_list())


def test_tags_are_spoken_without_hyphens_and_named_in_the_sidecar(store, tiny):
    assert stream_metadata(store, "tag")["tags"] == ["c++", "web-0", "web-1", "web-2"]
    close_to_encode(load_stream(store, "tag"), tiny, ["c++", "web 0", "web 1", "web 2"])


def test_token_vectors_are_padded_with_zeros(store, table):
    tokens, mask = load_stream(store, "body_tokens"), load_stream(store, "body_tokens_mask")
    lengths = [len(body.split()) for body in table(ROWS)["body"]]
    assert tokens.shape == (ROWS, 6, 16)
    assert mask.sum(axis=1).tolist() == [min(length, 6) for length in lengths]
    assert not tokens[~mask].any()
    assert np.abs(tokens[mask]).min(axis=-1).any()


def test_chunks_cover_each_body_and_an_empty_one_has_one(store, tiny, table):
    chunks, offsets = load_stream(store, "body_chunks"), load_stream(store, "body_chunks_offsets")
    bodies = table(ROWS)["body"].to_list()
    assert (offsets.dtype, offsets[-1]) == (np.int64, len(chunks))
    assert np.diff(offsets).tolist() == [min(max(-(-len(body.split()) // 10), 1), 4) for body in bodies]
    close_to_encode(chunks[offsets[0]], tiny, "")
    close_to_encode(chunks[offsets[5] + 1], tiny, " ".join(bodies[5].split()[10:20]))


def test_the_sidecar_says_what_the_stream_was_made_of(store, tiny, table):
    sidecar = stream_metadata(store, "body_tokens")
    assert sidecar["weight_sha256"] == tiny.weight_hash
    assert sidecar["row_hash"] == row_hash(table(ROWS))
    assert sidecar["shapes"] == {"body_tokens": [ROWS, 6, 16], "body_tokens_mask": [ROWS, 6]}
    assert {"dimension", "pooling", "max_length", "dtype", "text_hash", "versions"} <= sidecar.keys()


class Killed(Exception):
    pass


def count_windows(monkeypatch, limit=None):
    """Count the windows that go through the network; raise when more than `limit` have."""
    seen, forward = [], Encoder.forward

    def counted(self, windows):
        seen.extend(windows)
        if limit is not None and len(seen) > limit:
            raise Killed
        return forward(self, windows)

    monkeypatch.setattr(Encoder, "forward", counted)
    return seen


def kill_after(windows, questions, folder, encoder):
    with pytest.MonkeyPatch.context() as patch:
        count_windows(patch, windows)
        with pytest.raises(Killed):
            embed_questions(questions, folder, encoder=encoder, **SIZES)


@pytest.mark.parametrize("limit", [1, 20, 61, 140])
def test_a_killed_call_goes_on_where_it_stopped_and_leaves_the_same_bytes(
    monkeypatch, tmp_path, store, tiny, table, limit
):
    kill_after(limit, table(ROWS), tmp_path, tiny)
    seen = count_windows(monkeypatch)
    embed_questions(table(ROWS), tmp_path, encoder=tiny, **SIZES)
    assert contents(tmp_path) == contents(store)
    everything = 4 + 2 * ROWS + np.diff(np.load(store / "body_chunks_offsets.npy")).sum()
    assert len(seen) <= everything
    if limit > 40:
        assert len(seen) < everything - limit / 2


def test_what_was_made_in_float32_is_not_gone_on_with_in_bfloat16(tmp_path, tiny, table, request):
    kill_after(140, table(ROWS), tmp_path / "one", tiny)
    request.getfixturevalue("bfloat16")
    for folder in ("one", "whole"):
        embed_questions(table(ROWS), tmp_path / folder, encoder=tiny, **SIZES)
    one, whole = (contents(tmp_path / folder)["body.npy"] for folder in ("one", "whole"))
    assert one == whole


@pytest.mark.parametrize("sidecars", [0, 1, 3])
def test_a_call_killed_while_it_puts_the_shards_together_leaves_the_same_bytes(tmp_path, store, tiny, table, sidecars):
    written, write_sidecar = [], module.write_sidecar

    def die(folder, stream, *rest):
        if len(written) == sidecars:
            raise Killed
        written.append(stream)
        write_sidecar(folder, stream, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "write_sidecar", die)
        with pytest.raises(Killed):
            embed_questions(table(ROWS), tmp_path, encoder=tiny, **SIZES)
    embed_questions(table(ROWS), tmp_path, encoder=tiny, **SIZES)
    assert contents(tmp_path) == contents(store)


def test_what_is_complete_is_kept(monkeypatch, store, tiny, table):
    seen = count_windows(monkeypatch)
    before = contents(store)
    embed_questions(table(ROWS), store, encoder=tiny, **SIZES)
    assert not seen
    assert contents(store) == before


@pytest.mark.parametrize("change", [{"max_length": 16}, {"tokens_per_batch": 64}])
def test_leftover_shards_of_other_parameters_are_not_used(tmp_path, tiny, table, change):
    kill_after(60, table(ROWS), tmp_path / "killed", tiny)
    embed_questions(table(ROWS), tmp_path / "killed", encoder=tiny, **{**SIZES, **change})
    embed_questions(table(ROWS), tmp_path / "fresh", encoder=tiny, **{**SIZES, **change})
    assert contents(tmp_path / "killed") == contents(tmp_path / "fresh")


def test_other_texts_and_other_weights_replace_the_streams(build, tmp_path, tiny, table):
    embed_questions(table(9), tmp_path / "a", encoder=tiny, **SIZES)
    retitled = table(9, title=["w1"] * 9)
    embed_questions(retitled, tmp_path / "a", encoder=tiny, **SIZES)
    close_to_encode(load_stream(tmp_path / "a", "title"), tiny, ["w1"] * 9)
    other = load_encoder(str(build(tmp_path / "other", seed=3)), "cpu")
    embed_questions(retitled, tmp_path / "a", encoder=other, **SIZES)
    close_to_encode(load_stream(tmp_path / "a", "title"), other, ["w1"] * 9)
    with pytest.raises(ValueError, match=f"made with model {other.model_id}, but {tiny.model_id} is asked for"):
        load_stream(tmp_path / "a", "title", model=tiny.model_id)


def test_identical_texts_are_embedded_once(monkeypatch, tmp_path, tiny, table):
    seen = count_windows(monkeypatch)
    twins = table(20, body=["w1 w2", "w3"] * 10, title=["w4"] * 20)
    embed_questions(twins, tmp_path, encoder=tiny, **SIZES)
    assert len(seen) == 2 + 1 + 2  # tags that this vocabulary tells apart, titles, and bodies that are one chunk
    close_to_encode(load_stream(tmp_path, "body"), tiny, ["w1 w2", "w3"] * 10)


@pytest.mark.parametrize("value", [np.nan, 1e6])
def test_a_vector_that_is_not_finite_names_its_row(monkeypatch, tmp_path, tiny, table, value):
    forward = Encoder.forward

    def broken(self, windows):
        pooled, states, content = forward(self, windows)
        states = states.clone()
        states[[len(window["input_ids"]) == 3 for window in windows], 1] = value  # bodies of one token
        return pooled, states, content

    monkeypatch.setattr(Encoder, "forward", broken)
    questions = table(12, body=["w1 w2"] * 9 + ["w3"] + ["w4 w5"] * 2)
    with pytest.raises(ValueError, match=r"embedding body_tokens: the vector of row 9 \(109\) is not finite"):
        embed_questions(questions, tmp_path, encoder=tiny, **SIZES)


def test_a_broken_chunk_names_its_row(monkeypatch, tmp_path, tiny, table):
    def broken(encoder, texts, *_, **__):
        vectors = np.ones((2 * len(texts), 16), dtype=np.float16)
        vectors[7] = np.inf  # second chunk of the fourth text
        return {"body_chunks": vectors, "counts": np.full(len(texts), 2)}

    monkeypatch.setattr(module, "body_vectors", broken)
    with pytest.raises(ValueError, match=r"embedding body_chunks: the vector of row 4 \(104\)"):
        embed_questions(
            table(6, body=["w1", "w1", "w2", "w3", "w4", "w5"]), tmp_path, encoder=replace(tiny, name="x"), **SIZES
        )


def test_an_empty_table_is_refused(tmp_path, tiny, table):
    with pytest.raises(ValueError, match="no questions to embed"):
        embed_questions(table(0), tmp_path, encoder=tiny, **SIZES)


def test_progress_is_reported_with_texts_per_second(monkeypatch, tmp_path, tiny, table):
    reports = []
    monkeypatch.setattr(module, "report", lambda *args, **values: reports.append((args, values)))
    embed_questions(table(10), tmp_path, encoder=tiny, **SIZES)
    assert [args for args, _ in reports if args[0] == "embed body"] == [
        ("embed body", 0, 10),
        ("embed body", 7, 10),
        ("embed body", 10, 10),
    ]
    assert reports[-1][1]["texts_per_second"] > 0
