import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackstudy.embeddings.store import (
    is_complete,
    link_store,
    load_stream,
    stream_metadata,
    text_hash,
    write_sidecar,
)

ABOUT = {"model": "some/model", "row_hash": "rows-a", "text_hash": "texts-a"}


@pytest.fixture
def folder(tmp_path):
    np.save(tmp_path / "body_chunks.npy", np.ones((5, 2), dtype=np.float16))
    np.save(tmp_path / "body_chunks_offsets.npy", np.array([0, 2, 5]))
    write_sidecar(tmp_path, "body_chunks", ABOUT, {"body_chunks": (5, 2), "body_chunks_offsets": (3,)})
    return tmp_path


def test_streams_and_their_companions_are_mapped_read_only(folder):
    vectors = load_stream(folder, "body_chunks", row_hash="rows-a", model="some/model", text_hash="texts-a")
    assert isinstance(vectors, np.memmap)
    assert not vectors.flags.writeable
    assert load_stream(folder, "body_chunks_offsets", row_hash="rows-a").tolist() == [0, 2, 5]


@pytest.mark.parametrize("name", ["row_hash", "model", "text_hash"])
def test_a_mismatch_names_both_sides(folder, name):
    with pytest.raises(ValueError, match=f"body_chunks.npy was made with {name} {ABOUT[name]}, but other is asked for"):
        load_stream(folder, "body_chunks", **{name: "other"})


def test_an_array_that_is_not_the_one_of_the_sidecar_is_refused(folder):
    np.save(folder / "body_chunks.npy", np.ones((4, 2), dtype=np.float16))
    with pytest.raises(ValueError, match=r"has shape \[4, 2\], but its sidecar says \[5, 2\]"):
        load_stream(folder, "body_chunks")


def test_a_stream_without_sidecar_is_missing(folder):
    with pytest.raises(FileNotFoundError, match=r"title.json is missing: the store has no complete stream title"):
        load_stream(folder, "title")


def test_completeness_is_by_content(folder):
    assert is_complete(folder, "body_chunks", ABOUT)
    assert not is_complete(folder, "body_chunks", {**ABOUT, "max_chunks": 3})
    assert not is_complete(folder, "title", ABOUT)
    assert stream_metadata(folder, "body_chunks") == json.loads((folder / "body_chunks.json").read_text())


def test_a_linked_store_keeps_its_vectors_when_the_source_is_made_again(folder, tmp_path):
    run = tmp_path / "run"
    link_store(folder, run)
    with (folder / "fresh.npy").open("wb") as file:
        np.save(file, np.zeros((5, 2), dtype=np.float16))
    (folder / "fresh.npy").replace(folder / "body_chunks.npy")
    assert load_stream(run, "body_chunks").all()
    assert load_stream(run, "body_chunks_offsets").tolist() == [0, 2, 5]


def test_an_incomplete_stream_is_not_linked(folder, tmp_path):
    np.save(folder / "title.npy", np.ones((5, 2)))
    link_store(folder, tmp_path / "run")
    assert not (tmp_path / "run" / "title.npy").exists()


@given(st.lists(st.text()), st.lists(st.text()))
def test_text_hashes_tell_lists_apart(first, second):
    assert (text_hash(first) == text_hash(second)) == (first == second)
