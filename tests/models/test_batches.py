"""What networks read: the right pieces for the right rows, and nothing but the rows of a batch."""

import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stackstudy.models import batches
from stackstudy.models.batches import MappedPieces, RaggedPieces, cut, gather

LENGTHS = [2, 0, 3, 1]


def ragged(lengths: list[int] = LENGTHS) -> RaggedPieces:
    """Vectors that count up from 1."""
    offsets = torch.tensor([0, *lengths]).cumsum(0)
    return RaggedPieces(torch.arange(1, 1 + sum(lengths) * 2, dtype=torch.float16).reshape(-1, 2), offsets)


def mapped(vectors: np.ndarray | None = None, mask: np.ndarray | None = None) -> MappedPieces:
    vectors = np.arange(24, dtype=np.float16).reshape(4, 3, 2) if vectors is None else vectors
    mask = np.arange(3) < np.array(LENGTHS)[:, None] if mask is None else mask
    return MappedPieces(vectors, mask, "cpu")


def test_ragged_pieces_come_padded_with_zeros():
    pieces, mask = ragged()[torch.tensor([3, 1, 0])]
    assert pieces.dtype == torch.float32
    assert pieces.tolist() == [[[11, 12], [0, 0], [0, 0]], [[0, 0]] * 3, [[1, 2], [3, 4], [0, 0]]]
    assert mask.tolist() == [[True, False, False], [False] * 3, [True, True, False]]


@given(st.lists(st.integers(0, 4), min_size=1).filter(any), st.data())
def test_ragged_pieces_are_those_of_their_rows(lengths, data):
    rows = data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1))
    every = ragged(lengths)
    for row, pieces, mask in zip(rows, *every[torch.tensor(rows)], strict=True):
        own = every.vectors[every.offsets[row] : every.offsets[row + 1]]
        assert pieces[mask].tolist() == own.tolist()
        assert pieces[~mask].count_nonzero() == 0
        assert mask.tolist() == sorted(mask.tolist(), reverse=True)


@pytest.mark.parametrize("offsets", [[0, 2, 1, 4], [1, 2, 4], [0, 2, 3], [0, 2, 5]])
def test_offsets_that_do_not_fit_are_an_error(offsets):
    with pytest.raises(ValueError, match="do not cut 4 vectors into lists"):
        RaggedPieces(torch.zeros(4, 2), torch.tensor(offsets))


def test_lists_that_are_all_empty_are_an_error():
    with pytest.raises(ValueError, match="every list is empty"):
        RaggedPieces(torch.zeros(0, 2), torch.tensor([0, 0, 0]))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_missing_value_is_found_in_its_row(value):
    vectors, offsets = ragged().vectors, ragged().offsets
    vectors[2, 1] = value
    with pytest.raises(ValueError, match="missing or infinite values in 1 vectors, the first is one of row 2"):
        RaggedPieces(vectors, offsets)


def test_mapped_pieces_come_with_zeros_where_masked():
    pieces, mask = mapped()[torch.tensor([2, 1, 3])]
    assert pieces.dtype == torch.float32
    assert pieces.tolist() == [[[12, 13], [14, 15], [16, 17]], [[0, 0]] * 3, [[18, 19], [0, 0], [0, 0]]]
    assert mask.tolist() == [[True] * 3, [False] * 3, [True, False, False]]


def test_a_missing_value_in_a_mapped_batch_names_the_row_unless_it_is_padding():
    vectors = np.ones((4, 3, 2), dtype=np.float16)
    vectors[0, 2] = vectors[2, 2] = np.nan  # the first is padding
    pieces = mapped(vectors)
    assert pieces[torch.tensor([0, 3])][0].isfinite().all()
    with pytest.raises(ValueError, match="in the pieces of row 2"):
        pieces[torch.tensor([3, 2])]


@pytest.mark.parametrize(
    ("vectors", "mask"),
    [(np.ones((4, 2)), np.ones((4, 3), bool)), (None, np.ones((4, 2), bool)), (None, np.ones((4, 3), np.float32))],
)
def test_a_mask_that_does_not_fit_is_an_error(vectors, mask):
    with pytest.raises(ValueError, match="do not go with"):
        mapped(vectors, mask)


def test_a_mapped_file_is_never_read_as_a_whole(tmp_path):
    """A sparse file of 32 GB, of which a batch and a fingerprint take a few pages."""
    rows = 1_000_000
    vectors = np.memmap(tmp_path / "tokens", dtype=np.float16, mode="w+", shape=(rows, 4, 4096))
    vectors[rows - 1, 0, 0] = 7
    tracemalloc.start()
    pieces = MappedPieces(vectors, np.ones((rows, 4), dtype=bool), "cpu")
    batch, _ = pieces[torch.tensor([0, rows - 1])]
    read = sum(tensor.numel() for tensor in pieces.content())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert batch[1, 0, 0] == 7
    assert read < 2 * 4 * rows
    assert peak < 20e6


def test_a_network_is_given_tensors_and_pieces_in_order():
    title = torch.arange(8.0).reshape(4, 2)
    rows = torch.tensor([2, 0])
    found = gather((title, ragged(), title[:, :1]), rows)
    assert [tuple(each.shape) for each in found] == [(2, 2), (2, 3, 2), (2, 3), (2, 1)]
    assert found[0].tolist() == title[rows].tolist()


@given(st.integers(1, 60), st.integers(2, 9))
def test_batches_hold_every_row_once_and_none_holds_a_single_one(rows, size):
    parts = cut(torch.arange(rows), size)
    assert torch.cat(parts).tolist() == list(range(rows))
    assert all(len(part) == size for part in parts[:-1])
    assert 2 <= len(parts[-1]) <= size + 1 or rows == 1


def test_half_precision_files_stay_half_and_become_single_precision_batch_by_batch_on_cpu(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(6, dtype=np.float16).reshape(3, 2))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    tensor = batches.to_device(mapped, "cpu")
    assert tensor.dtype == torch.float16
    assert np.shares_memory(tensor.numpy(), mapped)
    (batch,) = gather((tensor,), torch.tensor([2, 0]))
    assert batch.dtype == torch.float32
    assert batch.tolist() == [[4, 5], [0, 1]]
