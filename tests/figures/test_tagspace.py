import numpy as np
import pytest

from stackstudy.figures import tagspace


def two_groups(count: int) -> np.ndarray:
    """Return unit vectors (count, 8) that alternate between two directions."""
    rng = np.random.default_rng(1)
    vectors = np.eye(8)[np.arange(count) % 2] + 0.05 * rng.normal(size=(count, 8))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("sizes", [[7], [5, 0, 20, 1], 1 + 90000 // np.arange(1, 101)])
def test_centroid_sizes_shows_every_name(sizes, names, check_figure):
    figure = tagspace.centroid_sizes(sizes, names(len(sizes)))
    check_figure(figure)
    assert sum(len(ax.get_yticks()) for ax in figure.axes) == len(sizes)


@pytest.mark.parametrize("count", [1, 2, 10, 100, 230])
def test_centroid_similarity(count, names, check_figure):
    check_figure(tagspace.centroid_similarity(two_groups(count), names(count)))


def test_alike_centroids_are_side_by_side():
    groups = tagspace.similarity_order(two_groups(20)) % 2
    assert np.count_nonzero(np.diff(groups)) == 1


def test_same_input_same_bytes(names, png_bytes):
    first, second = (tagspace.centroid_similarity(two_groups(12), names(12)) for _ in range(2))
    assert png_bytes(first) == png_bytes(second)


def test_bad_input_is_named(names):
    with pytest.raises(ValueError, match="empty"):
        tagspace.centroid_sizes([], [])
    with pytest.raises(ValueError, match="2 sizes but 1 names"):
        tagspace.centroid_sizes([1, 2], ["a"])
    with pytest.raises(ValueError, match="expected centroids"):
        tagspace.centroid_similarity(np.empty((0, 8)), [])
    with pytest.raises(ValueError, match="3 centroids but 2 names"):
        tagspace.centroid_similarity(two_groups(3), names(2))
