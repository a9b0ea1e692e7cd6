import numpy as np
import pytest

from stackstudy.systems.data import TagData
from stackstudy.systems.inputs import vectors_of


def test_streams_stand_side_by_side(data):
    two = TagData(data.questions, {"title": np.ones((400, 3), np.float16), **data.streams}, "toy", space=data.space)
    vectors = vectors_of(two, "title", "body")
    assert (vectors.shape, vectors.dtype) == ((400, 3 + 16), np.float32)
    np.testing.assert_array_equal(vectors[:, 3:], data.streams["body"])


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        (np.ones((400, 2, 3)), r"'title' has the shape \(400, 2, 3\): one vector a question is needed"),
        (np.full((400, 3), np.nan), r"'title' has missing or infinite values in 400 rows, the first is row 0"),
        (np.ones((9, 3)), "'title' has 9 vectors for 400 questions"),
    ],
)
def test_streams_that_do_not_fit_are_named(data, stream, message):
    with pytest.raises(ValueError, match=message):
        vectors_of(TagData(data.questions, {"title": stream}, "toy", space=data.space), "title")
