"""Kernel ridge regression for many labels at once, with what each training row would get if it were left out.

Rows are seen in one or more views: matrices, sparse or dense, whose rows have unit length. Two rows are as similar as
their views are in the mean; the kernel is a polynomial of that, so words and vectors also count together.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import lapack
from scipy.sparse import csr_matrix, issparse

View = np.ndarray | csr_matrix  # (n, d), rows of unit length, or of none where there is nothing to see
DEGREE = 3  # of the polynomial: how many things that two rows share may count together
BLOCK = 2048  # rows at a time


@dataclass(frozen=True, eq=False)
class KernelRidge:
    """The regressions of k labels on the similarity to r training rows."""

    references: tuple[View, ...]  # the training rows, view by view: each (r, d)
    weights: np.ndarray  # float32 (r, k)
    offsets: np.ndarray  # float32 (k,)

    def __call__(self, rows: Sequence[View]) -> np.ndarray:
        """Return the scores, float32 (n, k), of n rows in the same views: about 1 for a label, about 0 for none."""
        parts = [kernel(block, self.references) @ self.weights for block in _blocks(rows)]
        return np.vstack(parts) + self.offsets


def fit_kernel_ridge(
    rows: Sequence[View], labels: np.ndarray, penalties: Sequence[float]
) -> Iterator[tuple[KernelRidge, np.ndarray]]:
    """Yield, for each penalty, the regressions on r rows and the scores (r, k) of the rows if left out of them.

    `labels` is bool (r, k). The scores of left-out rows need no second fit (Rifkin and Lippert 2007, Notes on
    regularized least squares, section 5); the offsets, the shares of the labels, are those of all rows. Memory: two
    matrices of r * r float32.
    """
    offsets = labels.mean(axis=0).astype(np.float32)
    centred = labels - offsets
    similar = np.vstack([kernel(block, rows) for block in _blocks(rows)])
    for penalty in penalties:
        inverse = _inverse(similar, penalty)
        weights = inverse @ centred
        left_out = labels - weights / np.diag(inverse)[:, None]
        del inverse
        yield KernelRidge(tuple(rows), weights, offsets), left_out


def kernel(rows: Sequence[View], references: Sequence[View]) -> np.ndarray:
    """Return ((1 + s) / 2) ** DEGREE for the mean similarity s of n rows to r references, float32 (n, r)."""
    similar = sum(_products(*pair) for pair in zip(rows, references, strict=True)) / len(references)
    return ((1 + similar) / 2) ** DEGREE


def _products(rows: View, references: View) -> np.ndarray:
    products = rows @ references.T
    return (products.toarray() if issparse(products) else products).astype(np.float32, copy=False)


def _inverse(similar: np.ndarray, penalty: float) -> np.ndarray:
    """Return the inverse of `similar` (r, r) with `penalty` added to its diagonal, in place of a copy."""
    matrix = similar.copy(order="F")
    matrix[np.diag_indices_from(matrix)] += penalty
    factor, failed = lapack.spotrf(matrix, lower=1, overwrite_a=1)
    if failed:
        raise ValueError(f"penalty {penalty:g} is too small for {len(matrix)} rows: raise it")
    inverse, _ = lapack.spotri(factor, lower=1, overwrite_c=1)
    for start in range(0, len(inverse), BLOCK):  # only the lower half is filled
        block = slice(start, start + BLOCK)
        corner = np.tril(inverse[block, block])
        inverse[block, block] = corner + np.tril(corner, -1).T
        inverse[block, start + BLOCK :] = inverse[start + BLOCK :, block].T
    return inverse


def _blocks(rows: Sequence[View]) -> Iterator[tuple[View, ...]]:
    for start in range(0, rows[0].shape[0], BLOCK):
        yield tuple(view[start : start + BLOCK] for view in rows)
