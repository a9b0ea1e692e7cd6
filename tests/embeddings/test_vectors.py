import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from stackstudy.embeddings.encoder import Encoder
from stackstudy.embeddings.vectors import body_vectors, first_tokens, pooled_vectors

CUT = {"max_length": 20, "sequence_tokens": 4, "chunk_length": 12, "max_chunks": 2}


@given(st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=1, max_size=5), st.integers(1, 8))
def test_first_tokens_are_the_content_tokens_in_order(masks, count):
    content = torch.tensor(masks)
    states = torch.arange(content.numel() * 2, dtype=torch.float32).reshape(*content.shape, 2) + 1
    picked, present = first_tokens(states, content, count)
    for row in range(len(masks)):
        wanted = states[row][content[row]][:count]
        assert torch.equal(picked[row][present[row]], wanted)
        assert present[row].tolist() == [True] * len(wanted) + [False] * (min(count, 6) - len(wanted))
        assert not picked[row][~present[row]].any()


def test_broken_padding_does_not_leak_into_the_zeros():
    states = torch.tensor([[[1.0], [torch.nan]]])
    picked, present = first_tokens(states, torch.tensor([[True, False]]), 2)
    assert picked.flatten().tolist() == [1, 0]
    assert present.tolist() == [[True, False]]


def test_token_vectors_come_from_the_pass_that_made_the_pooled_ones(tiny, float32):
    texts = ["w1 w2 w3", "", "w4 w5 w6 w7 w8 w9"]
    pooled, tokens, mask = body_vectors(tiny, texts, ("body", "body_tokens"), **CUT, tokens_per_batch=16).values()
    assert (pooled.dtype, tokens.dtype, tokens.shape) == (np.float16, np.float16, (3, 4, 16))
    assert mask.sum(axis=1).tolist() == [3, 0, 4]
    assert not tokens[~mask].any()
    np.testing.assert_array_equal(pooled, pooled_vectors(tiny, texts, max_length=20, tokens_per_batch=16))
    reference = tiny.model.encode(texts, output_value="token_embeddings")
    np.testing.assert_allclose(tokens[2], reference[2][1:5], atol=2e-3)
    np.testing.assert_allclose(tokens[0, :3], reference[0][1:4], atol=2e-3)


def test_results_do_not_depend_on_the_budget(tiny):
    texts = [f"w{i} " * (i % 9) for i in range(30)]
    one_by_one = pooled_vectors(tiny, texts, max_length=12, tokens_per_batch=1)
    together = pooled_vectors(tiny, texts, max_length=12, tokens_per_batch=10_000)
    np.testing.assert_allclose(one_by_one, together, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(together.astype(float), axis=1), 1, atol=2e-3)


def test_chunks_are_the_texts_of_the_windows(tiny, float32):
    body = " ".join(f"w{i}" for i in range(25))
    vectors, counts = body_vectors(tiny, ["", body, "w1"], ("body_chunks",), **CUT, tokens_per_batch=64).values()
    assert counts.tolist() == [1, 2, 1]
    pieces = ["", " ".join(f"w{i}" for i in range(10)), " ".join(f"w{i}" for i in range(10, 20)), "w1"]
    np.testing.assert_allclose(vectors, tiny.model.encode(pieces, normalize_embeddings=True), atol=2e-3)


def test_what_two_streams_need_is_encoded_once(tiny, monkeypatch):
    texts = ["w1 w2", "w3 w4 w5", " ".join(f"w{i}" for i in range(15)), "w1 w2"]
    seen, forward = [], Encoder.forward
    monkeypatch.setattr(Encoder, "forward", lambda self, windows: seen.extend(windows) or forward(self, windows))
    arrays = body_vectors(tiny, texts, ("body", "body_tokens", "body_chunks"), **CUT, tokens_per_batch=64)
    assert len(seen) == 2 + 1 + 2  # two short texts, of the long one its beginning and two chunks
    assert arrays["counts"].tolist() == [1, 1, 2, 1]
    np.testing.assert_array_equal(arrays["body"][[0, 1, 3]], arrays["body_chunks"][[0, 1, 4]])
    alone = body_vectors(tiny, texts, ("body_tokens",), **CUT, tokens_per_batch=1)
    np.testing.assert_allclose(arrays["body_tokens"], alone["body_tokens"], atol=2e-3)
    np.testing.assert_array_equal(arrays["body_tokens_mask"], alone["body_tokens_mask"])
