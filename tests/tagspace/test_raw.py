import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_array

from stackstudy.tagspace.raw import raw_space, representatives
from stackstudy.tagspace.space import TagSpace

NAMES = ["a", "b", "c", "d", "e", "f", "rare"]
COUNTS = [5, 9, 9, 5, 6, 5, 1]
VECTORS = np.arange(1, 22, dtype=np.float32).reshape(7, 3)


@pytest.fixture
def centroids() -> TagSpace:
    """Three centroids: of a, b and c, of d and e, and of the rare tag; f belongs to none."""
    tags = pl.DataFrame(
        {"tag": NAMES, "count": COUNTS, "kept": [True] * 7, "centroid": [0, 0, 0, 1, 1, None, 2], "cosine": [1.0] * 7}
    )
    return TagSpace(["x", "y", "z"], np.eye(3, dtype=np.float32), tags, csr_array((2, 3), dtype=bool))


@pytest.fixture
def questions() -> pl.DataFrame:
    return pl.DataFrame({"tags": [["b", "rare"], ["unseen", "f", "a"]]})


def test_frequent_tags_are_labels_most_frequent_first(centroids, questions):
    raw = raw_space(centroids, questions, VECTORS, 5)
    assert raw.names == ["b", "c", "e", "a", "d", "f"]
    assert raw.label_of == {name: i for i, name in enumerate(raw.names)}
    assert raw.labels.toarray().tolist() == [[True, *[False] * 5], [False] * 3 + [True, False, True]]
    np.testing.assert_allclose(raw.centroids[0], VECTORS[1] / np.linalg.norm(VECTORS[1]), rtol=1e-6)


def test_a_raw_space_is_kept_on_disk(centroids, questions, tmp_path):
    raw = raw_space(centroids, questions, VECTORS, 5)
    raw.save(tmp_path / "tagspace")
    again = TagSpace.load(tmp_path / "tagspace")
    assert (again.names, again.label_of) == (raw.names, raw.label_of)


def test_a_centroid_is_represented_by_its_most_frequent_tag_where_that_is_a_label(centroids, questions):
    raw = raw_space(centroids, questions, VECTORS, 5)
    assert [raw.names[label] if label is not None else None for label in representatives(centroids, raw)] == [
        "b",
        "e",
        None,
    ]


def test_what_cannot_be_a_space_is_named(centroids, questions):
    with pytest.raises(ValueError, match="only 3 tags are on 6 or more training questions: lower minimum_count"):
        raw_space(centroids, questions, VECTORS, 6)
    with pytest.raises(ValueError, match="3 tag vectors do not fit 7 tags"):
        raw_space(centroids, questions, VECTORS[:3], 5)
