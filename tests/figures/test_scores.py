import numpy as np
import polars as pl
import pytest

from stackstudy.figures import scores

KS = [0, 1, 2, 5, 10, 20, 50, 100]


def shrunk(values: np.ndarray) -> np.ndarray:
    return np.sign(values) * np.sqrt(np.abs(values))


def history(epochs: int) -> pl.DataFrame:
    epoch = np.arange(1, epochs + 1)
    curve = {
        "train_loss": 20000.0 / epoch,
        "validation_loss": 19000 + 10.0 * epoch,
        "validation_rmse": 134 + 0.1 * epoch,
    }
    return pl.DataFrame({"seed": 0, "epoch": epoch, **curve})


def error_by_quantile(actual, predicted):
    return scores.error_by_quantile(actual, {"dsf-crossattn-log": predicted, "tfidf-svd-ridge": np.zeros(len(actual))})


@pytest.mark.parametrize("draw", [scores.predicted_actual, error_by_quantile])
@pytest.mark.parametrize("case", ["one", "few", "constant", "negative"])
def test_few_or_odd_scores(draw, case, check_figure):
    actual, predicted = {
        "one": ([4], [2.5]),
        "few": ([0, 1, 2, 8], [1.5, 2, 2, -0.3]),
        "constant": ([3, 3, 3], [3, 3, 3]),
        "negative": ([-20, -1, -1], [-3.5, -2, 1e6]),
    }[case]
    check_figure(draw(actual, predicted))


@pytest.mark.parametrize("draw", [scores.predicted_actual, error_by_quantile])
def test_heavy_tail(draw, heavy_scores, check_figure, png_bytes):
    figure = draw(heavy_scores, shrunk(heavy_scores))
    check_figure(figure)
    assert png_bytes(figure) == png_bytes(draw(pl.Series(heavy_scores), shrunk(heavy_scores)))


def test_whole_panel_holds_every_question(heavy_scores):
    mesh = scores.predicted_actual(heavy_scores, shrunk(heavy_scores)).axes[1].collections[0]
    assert mesh.get_array().sum() == heavy_scores.size


def test_error_bins_hold_every_question_once_and_keep_ties_together(heavy_scores):
    figure = scores.error_by_quantile(heavy_scores, {"mean": np.zeros(heavy_scores.size)})
    counts = [int(text.get_text().replace(",", "")) for text in figure.axes[0].texts]
    assert sum(counts) == heavy_scores.size
    assert np.count_nonzero(heavy_scores == 0) in counts
    assert len(counts) == len(figure.axes[0].get_xticks()) <= 10


@pytest.mark.parametrize("count", [1, 9])
def test_r2_without_top_names_every_system(count, check_figure):
    systems = {f"system-{i}": 0.2 / np.sqrt(1 + np.array(KS)) + 0.001 * i for i in range(count)}
    figure = scores.r2_without_top(KS, systems)
    check_figure(figure)
    assert {text.get_text() for text in figure.axes[0].texts} >= set(systems)


@pytest.mark.parametrize(("ks", "r2"), [([0], [-0.0002]), ([0, 5], [0.2, -40])])
def test_r2_without_top_of_few(ks, r2, check_figure):
    figure = scores.r2_without_top(ks, {"mean": r2})
    check_figure(figure)
    assert min(figure.axes[0].lines[1].get_ydata()) >= scores.LOWEST


@pytest.mark.parametrize("epochs", [1, 40])
def test_learning_curve_marks_the_lowest_error(epochs, check_figure):
    figure = scores.learning_curve(history(epochs))
    check_figure(figure)
    assert list(figure.axes[1].lines[-1].get_xdata()) == [1]


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="empty"):
        scores.predicted_actual([], [])
    with pytest.raises(ValueError, match="same length, got 2 and 1"):
        scores.error_by_quantile([1, 2], {"a": [1]})
    with pytest.raises(ValueError, match="mean: the two inputs must have the same length"):
        scores.r2_without_top([0, 1], {"mean": [0.1]})
    with pytest.raises(ValueError, match="no series"):
        scores.r2_without_top([0], {})
    with pytest.raises(ValueError, match="there are no systems"):
        scores.error_by_quantile([1], {})
    with pytest.raises(ValueError, match="no rows"):
        scores.learning_curve(history(2).clear())
