from types import SimpleNamespace

import numpy as np
import pytest

from stackstudy.embeddings import checks


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_nearest_cosine_is_that_of_all_pairs(monkeypatch):
    monkeypatch.setattr(checks, "BLOCK", 7)
    vectors = np.random.default_rng(0).normal(size=(50, 5)).astype(np.float16)
    vectors[13] = vectors[40]
    cosines = unit(vectors.astype(float)) @ unit(vectors.astype(float)).T
    np.fill_diagonal(cosines, -1)
    nearest = checks.nearest_neighbour_cosine(vectors, sample=50, seed=1)
    np.testing.assert_allclose(nearest, cosines.max(axis=1), atol=1e-5)
    assert nearest[13] == pytest.approx(1, abs=1e-5)


def test_the_sample_is_by_seed_and_no_larger_than_the_table():
    vectors = np.random.default_rng(0).normal(size=(30, 4))
    first, again, other = (checks.nearest_neighbour_cosine(vectors, 10, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (10,)
    assert not np.array_equal(first, other)
    assert checks.nearest_neighbour_cosine(vectors, 99, 0).shape == (30,)
    with pytest.raises(ValueError, match="2 vectors or more, got 1"):
        checks.nearest_neighbour_cosine(vectors[:1], 1, 0)


def test_explained_variance_finds_the_planted_directions():
    rng = np.random.default_rng(0)
    planted = rng.normal(size=(500, 2)) @ np.diag([3.0, 1.0]) @ np.linalg.qr(rng.normal(size=(8, 2)))[0].T
    shares = checks.explained_variance(planted.astype(np.float16), 4)
    assert shares.shape == (4,)
    assert shares[0] == pytest.approx(0.9, abs=0.02)
    assert shares[1] == pytest.approx(1, abs=1e-3)
    assert checks.explained_variance(planted, 100).shape == (8,)


def test_metrics_are_plain_numbers():
    encoder = SimpleNamespace(name="minilm", model_id="some/model", dimension=4)
    shares = {"body": np.linspace(0.01, 1, 100)}
    found = checks.metrics(encoder, {"body": np.array([0.2, 0.4, 0.9])}, shares)
    assert found["nearest_cosine_median"] == {"body": pytest.approx(0.4)}
    assert found["variance_of_50_components"] == {"body": pytest.approx(0.5)}
