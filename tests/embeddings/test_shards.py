import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackstudy.embeddings import shards as module
from stackstudy.embeddings.shards import Shards, fill, offsets_of, spread, spread_ragged


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(module, "SHARD_TEXTS", 3)


def make(start, stop):
    numbers = np.arange(start, stop, dtype=np.float16)
    counts = np.arange(start, stop) % 4 + 1
    return {"value": numbers[:, None], "counts": counts, "runs": np.repeat(numbers, counts)[:, None]}


def filled(folder, total=8, recipe=None):
    shards = Shards.open(folder, recipe or {"a": 1}, total)
    return shards, list(fill(shards, shards.missing(), range(total), lambda texts: make(texts[0], texts[-1] + 1)))


def test_every_text_is_made_once_and_what_is_there_is_not_made_again(tmp_path):
    _, first = filled(tmp_path / "s")
    assert first == [((0, 3), None), ((3, 6), None), ((6, 8), None)]
    (tmp_path / "s" / "000001.npz").unlink()
    _, second = filled(tmp_path / "s")
    assert second == [((3, 6), None)]


def test_shards_of_another_recipe_are_removed(tmp_path):
    filled(tmp_path / "s")
    _, again = filled(tmp_path / "s", recipe={"a": 2})
    assert len(again) == 3


def test_spread_gives_every_row_the_array_of_its_text(tmp_path):
    shards, _ = filled(tmp_path / "s")
    owners = np.array([7, 0, 3, 3, 6, 1, 2, 4, 5, 0])
    assert spread(shards, "value", owners, tmp_path / "out.npy") == (10, 1)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy")[:, 0], owners)


def test_spread_of_ragged_runs(tmp_path):
    shards, _ = filled(tmp_path / "s")
    owners = np.array([7, 0, 3, 3, 6, 1, 2, 4, 5])
    offsets = spread_ragged(shards, "runs", "counts", owners, tmp_path / "out.npy")
    out = np.load(tmp_path / "out.npy")[:, 0]
    for row, owner in enumerate(owners):
        assert out[offsets[row] : offsets[row + 1]].tolist() == [owner] * (owner % 4 + 1)


@given(st.lists(st.integers(0, 9)))
def test_offsets(lengths):
    offsets = offsets_of(np.array(lengths, dtype=int))
    assert (offsets.dtype, offsets[0]) == (np.int64, 0)
    assert np.diff(offsets).tolist() == lengths
