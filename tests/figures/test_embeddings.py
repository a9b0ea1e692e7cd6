import numpy as np
import pytest

from stackstudy.figures import embeddings

RNG = np.random.default_rng(5)
COSINES = {name: RNG.normal(mean, 0.1, 500) for name, mean in {"title": 0.65, "body": 0.6, "tag": 0.75}.items()}
VARIANCE = {name: np.cumsum(np.full(50, step)) for name, step in {"title": 0.008, "body": 0.0081, "tag": 0.015}.items()}


@pytest.mark.parametrize("values", [COSINES, {"title": [0.4]}, {"body": [-0.3, 1.0004], "title": [1.0]}])
def test_nearest_cosine(values, check_figure):
    figure = embeddings.nearest_cosine(values)
    check_figure(figure)
    assert [ax.get_title("left").split(",")[0] for ax in figure.axes] == list(values)
    for ax in figure.axes:
        assert sum(bar.get_height() for bar in ax.patches) == pytest.approx(100)


@pytest.mark.parametrize("cumulative", [VARIANCE, {"title": [0.3]}, {f"stream {i}": [0.1, 0.2] for i in range(9)}])
def test_pca_variance_names_every_stream(cumulative, check_figure):
    figure = embeddings.pca_variance(cumulative)
    check_figure(figure)
    assert {text.get_text() for text in figure.axes[0].texts} >= set(cumulative)


def test_same_input_same_bytes(png_bytes):
    for draw, data in ((embeddings.nearest_cosine, COSINES), (embeddings.pca_variance, VARIANCE)):
        assert png_bytes(draw(data)) == png_bytes(draw(data))


@pytest.mark.parametrize("draw", [embeddings.nearest_cosine, embeddings.pca_variance])
def test_bad_input_is_named(draw):
    with pytest.raises(ValueError, match="no series"):
        draw({})
    with pytest.raises(ValueError, match="body: nothing to draw"):
        draw({"title": [0.5], "body": []})
