"""Token sequences: each row has its own, and a batch hardly any padding."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stackstudy.models import tokens
from stackstudy.models.batches import gather, lengths_of
from stackstudy.models.tokens import TokenSequences, by_length


def sequences(lengths: list[int]) -> TokenSequences:
    """Ids that count up from 1."""
    return TokenSequences(torch.arange(1, 1 + sum(lengths), dtype=torch.int32), torch.tensor(lengths))


def test_a_batch_is_padded_to_its_longest_sequence():
    ids, mask = sequences([2, 1, 4, 3])[torch.tensor([3, 1, 0])]
    assert (ids.dtype, mask.dtype) == (torch.int64, torch.int64)
    assert ids.tolist() == [[8, 9, 10], [3, 0, 0], [1, 2, 0]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0], [1, 1, 0]]


@given(st.lists(st.integers(1, 5), min_size=1), st.data())
def test_rows_have_their_own_tokens(lengths, data):
    rows = data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1))
    every = sequences(lengths)
    for row, ids, mask in zip(rows, *every[torch.tensor(rows)], strict=True):
        start = sum(lengths[:row])
        assert ids[mask.bool()].tolist() == list(range(start + 1, start + lengths[row] + 1))
        assert ids[~mask.bool()].count_nonzero() == 0


@pytest.mark.parametrize("lengths", [[2, 3], [4, 0], [5, -1]])
def test_lengths_that_do_not_fit_are_an_error(lengths):
    with pytest.raises(ValueError, match="do not make up 4 tokens"):
        TokenSequences(torch.zeros(4, dtype=torch.int32), torch.tensor(lengths))


def test_a_network_is_given_ids_and_mask():
    found = gather((sequences([2, 1]), torch.zeros(2, 5)), torch.tensor([1]))
    assert [tuple(each.shape) for each in found] == [(1, 1), (1, 1), (1, 5)]
    assert lengths_of((torch.zeros(2, 5), sequences([2, 1]))).tolist() == [2, 1]
    assert lengths_of((torch.zeros(2, 5),)) is None


def draw(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows in a random order, and a length for each."""
    random = torch.Generator().manual_seed(count)
    return torch.randperm(count, generator=random), torch.randint(1, 200, (count,), generator=random)


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 9), st.integers(0, 3))
def test_every_row_comes_once_whatever_the_size(count, size, seed):
    rows, lengths = draw(count)
    found = by_length(rows, lengths, size, torch.Generator().manual_seed(seed))
    assert sorted(found.tolist()) == list(range(count))
    assert found.tolist() == by_length(rows, lengths, size, torch.Generator().manual_seed(seed)).tolist()


def padding(batches: list[torch.Tensor]) -> float:
    """The share of a batch that is padding."""
    return 1 - sum(int(each.sum()) for each in batches) / sum(len(each) * int(each.max()) for each in batches)


def test_batches_have_hardly_any_padding_and_come_in_random_order(monkeypatch):
    monkeypatch.setattr(tokens, "POOL", 20)
    rows, lengths = draw(805)
    found = by_length(rows, lengths, 10, torch.Generator().manual_seed(0))
    batches = list(lengths[found].split(10))
    assert padding(batches) < 0.05 < 0.4 < padding(list(lengths[rows].split(10)))
    assert len(batches[-1]) == 5
    means = torch.stack([each.double().mean() for each in batches[:20]])
    assert (means.diff() > 0).sum() > 3, "not sorted within the pool"
    assert (means.diff() < 0).sum() > 3


def test_only_a_pool_of_rows_is_sorted_so_that_company_changes_with_the_order(monkeypatch):
    monkeypatch.setattr(tokens, "POOL", 3)
    rows, lengths = draw(60)
    found = by_length(rows, lengths, 5, torch.Generator().manual_seed(0))
    pools = [set(pool.tolist()) for pool in rows.split(15)]
    assert all(any(set(batch.tolist()) <= pool for pool in pools) for batch in found.split(5))
