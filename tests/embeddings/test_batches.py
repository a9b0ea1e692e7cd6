import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stackstudy.embeddings.batches import plan_batches

lengths = st.lists(st.integers(0, 600), max_size=200).map(lambda values: np.array(values, dtype=np.int64))


@given(lengths, st.integers(1, 3000))
def test_every_text_once_longest_first_within_the_budget(lengths, budget):
    batches = plan_batches(lengths, budget)
    order = np.concatenate([*batches, np.array([], dtype=int)])
    assert sorted(order) == list(range(lengths.size))
    assert (np.diff(lengths[order]) <= 0).all()
    for batch in batches:
        assert batch.size == 1 or lengths[batch].max() * batch.size <= budget


@given(lengths, st.integers(1, 3000))
def test_no_batch_could_have_taken_the_next_text(lengths, budget):
    batches = plan_batches(lengths, budget)
    for batch in batches[:-1]:
        assert max(lengths[batch].max(), 1) * (batch.size + 1) > budget


def test_equal_lengths_keep_their_order():
    assert [batch.tolist() for batch in plan_batches(np.array([3, 5, 3, 5, 3]), 10)] == [[1, 3], [0, 2, 4]]
