import numpy as np
import pytest

from stackstudy.models import neighbours
from stackstudy.models.neighbours import votes

REFERENCES = np.array([[1, 0], [0.8, 0.6], [0, 1], [-1, 0]], np.float32)
LABELS = np.array([[1, 0], [1, 1], [0, 1], [0, 1]], bool)
QUERY = np.array([[1, 0]], np.float32)


def test_votes_are_weighted_by_cosine():
    one, two, everyone = votes(QUERY, REFERENCES, LABELS, (1, 2, 4))
    np.testing.assert_allclose(one, [[1, 0]])
    np.testing.assert_allclose(two, [[1, 0.8 / 1.8]], rtol=1e-6)
    np.testing.assert_allclose(everyone, two, rtol=1e-6)  # neither a right angle nor the opposite votes


def test_without_any_vote_no_label_is_likely():
    (nothing,) = votes(-QUERY, REFERENCES[:1], LABELS[:1], (1,))
    np.testing.assert_array_equal(nothing, [[0, 0]])


def test_blocks_do_not_change_the_votes(monkeypatch):
    random = np.random.default_rng(0)
    vectors = random.normal(size=(50, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = random.random((30, 4)) < 0.3
    (whole,) = votes(vectors[30:], vectors[:30], labels, (5,))
    monkeypatch.setattr(neighbours, "BLOCK", 7)
    (parts,) = votes(vectors[30:], vectors[:30], labels, (5,))
    np.testing.assert_allclose(whole, parts, rtol=1e-5)


def test_more_neighbours_than_questions_are_refused():
    with pytest.raises(ValueError, match="neighbours: 9 is too many for 4 training questions"):
        votes(QUERY, REFERENCES, LABELS, (2, 9))
