import numpy as np
import pytest
from scipy.sparse import csr_matrix

from stackstudy.models import kernel_ridge
from stackstudy.models.kernel_ridge import DEGREE, fit_kernel_ridge, kernel


@pytest.fixture
def rows() -> tuple[csr_matrix, np.ndarray]:
    """Forty rows of unit length in two views, one of them sparse."""
    random = np.random.default_rng(0)
    words = random.random((40, 30)) * (random.random((40, 30)) < 0.2)
    words[:, 0] += 0.1
    return csr_matrix(unit(words)), unit(random.normal(size=(40, 8)))


@pytest.fixture
def labels() -> np.ndarray:
    return np.random.default_rng(1).random((40, 3)) < [0.5, 0.3, 0.1]


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def take(views: tuple, rows: np.ndarray) -> tuple:
    return tuple(view[rows] for view in views)


def solved(views: tuple, labels: np.ndarray, offsets: np.ndarray, penalty: float) -> np.ndarray:
    similar = kernel(views, views).astype(np.float64)
    return np.linalg.solve(similar + penalty * np.eye(len(labels)), labels - offsets)


def test_the_kernel_is_a_power_of_the_mean_similarity(rows):
    words, vectors = rows[0].toarray(), rows[1]
    expected = ((1 + (words @ words[:5].T + vectors @ vectors[:5].T) / 2) / 2) ** DEGREE
    np.testing.assert_allclose(kernel(rows, take(rows, np.arange(5))), expected, rtol=1e-5)
    np.testing.assert_allclose(np.diag(kernel(rows, rows)), 1, rtol=1e-5)


def test_scores_are_those_of_the_direct_solution(rows, labels):
    train, asked, penalties = np.arange(30), np.arange(30, 40), (0.1, 2.0)
    offsets = labels[train].mean(axis=0)
    references = take(rows, train)
    for penalty, (ridge, _) in zip(penalties, fit_kernel_ridge(references, labels[train], penalties), strict=True):
        weights = solved(references, labels[train], offsets, penalty)
        expected = kernel(take(rows, asked), references) @ weights + offsets
        np.testing.assert_allclose(ridge(take(rows, asked)), expected, atol=1e-4)


@pytest.mark.parametrize("views", [[0], [1], [0, 1]])
def test_left_out_scores_are_those_of_a_fit_without_the_row(rows, labels, views):
    seen, offsets = tuple(rows[view] for view in views), labels.mean(axis=0)
    ((ridge, left_out),) = fit_kernel_ridge(seen, labels, [0.3])
    for row in (0, 17, 39):
        others = np.delete(np.arange(40), row)
        weights = solved(take(seen, others), labels[others], offsets, 0.3)
        expected = kernel(take(seen, [row]), take(seen, others)) @ weights + offsets
        np.testing.assert_allclose(left_out[row], expected[0], atol=1e-4)
    assert np.abs(left_out - labels).mean() > np.abs(ridge(seen) - labels).mean()


def test_blocks_do_not_change_anything(rows, labels, monkeypatch):
    ((whole, left_out),) = fit_kernel_ridge(rows, labels, [0.3])
    monkeypatch.setattr(kernel_ridge, "BLOCK", 7)
    ((parts, left_out_of_parts),) = fit_kernel_ridge(rows, labels, [0.3])
    np.testing.assert_allclose(left_out_of_parts, left_out, atol=1e-4)
    np.testing.assert_allclose(parts(rows), whole(rows), atol=1e-4)


def test_a_penalty_that_cannot_be_solved_is_named(rows, labels):
    twice = take(rows, np.repeat(np.arange(5), 2))
    with pytest.raises(ValueError, match=r"penalty -1 is too small for 10 rows: raise it"):
        list(fit_kernel_ridge(twice, labels[:10], [-1.0]))
