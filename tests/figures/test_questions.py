import numpy as np
import polars as pl
import pytest

from stackstudy.figures import questions
from stackstudy.figures.drawing import percent
from stackstudy.runs.products import save_figure


@pytest.mark.parametrize("scores", [[0], [3, 4, 5, 0, 1, 2], [-7, -3], [1, 10**6]])
def test_score_distribution_of_few(scores, check_figure):
    check_figure(questions.score_distribution(scores))


def test_score_distribution_draws_every_question(heavy_scores, check_figure, png_bytes):
    figure = questions.score_distribution(pl.Series(heavy_scores))
    check_figure(figure)
    assert sum(bar.get_height() for bar in figure.axes[0].patches) == heavy_scores.size
    assert png_bytes(figure) == png_bytes(questions.score_distribution(heavy_scores))


def test_score_distribution_says_shares_and_quartiles():
    figure = questions.score_distribution([-1, 0, 0, 0, 1, 1, 1, 5])
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts[:3] == [f"{percent(1 / 8)} negative", f"{percent(3 / 8)} zero", "50 % positive"]
    assert {"lower quartile 0", "median 0.5", "upper quartile 1"} <= set(texts)


def test_equal_quartiles_share_a_mark():
    figure = questions.score_distribution([0, 0, 0, 0, 9])
    assert "lower quartile = median = upper quartile 0" in [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize("count", [1, 3, 400])
def test_tag_frequencies(count, names, check_figure, png_bytes):
    tags = pl.DataFrame({"tag": names(count), "count": (5000 / np.arange(1, count + 1)).astype(int) + 1})
    figure = questions.tag_frequencies(tags)
    check_figure(figure)
    assert png_bytes(figure) == png_bytes(questions.tag_frequencies(tags.reverse()))


def test_tag_frequencies_of_many_tags_are_a_small_file(names, tmp_path):
    tags = pl.DataFrame({"tag": names(20_000), "count": (90_000 / np.arange(1, 20_001)).astype(int) + 1})
    save_figure(questions.tag_frequencies(tags), tmp_path, "tags")
    assert (tmp_path / "tags.svg").stat().st_size < 100_000


def test_tag_frequencies_needs_tags_that_occur():
    with pytest.raises(ValueError, match="empty"):
        questions.tag_frequencies(pl.DataFrame({"tag": ["a"], "count": [0]}))
    with pytest.raises(ValueError, match="column count is missing"):
        questions.tag_frequencies(pl.DataFrame({"tag": ["a"]}))


@pytest.mark.parametrize("counts", [[2], [1, 2, 3, 3, 5], [1, 2, 30, *range(1, 12)]])
def test_tags_per_question(counts, check_figure):
    figure = questions.tags_per_question(counts)
    check_figure(figure)
    assert sum(bar.get_height() for bar in figure.axes[0].patches) == pytest.approx(100)


@pytest.mark.parametrize("draw", [questions.body_lengths, questions.answer_time])
@pytest.mark.parametrize("values", [[1], [0, 0, 3, 40000], [0.001, 20, 10**5]])
def test_log_histograms_draw_every_value(draw, values, check_figure):
    figure = draw(values)
    check_figure(figure)
    assert sum(bar.get_height() for bar in figure.axes[0].patches) == pytest.approx(100)


def test_log_histograms_say_what_a_log_axis_cannot_show():
    assert "2 below 1 are drawn there" in questions.body_lengths([0, 0, 3]).axes[0].get_xlabel()
    assert "1 below 1 min are drawn there" in questions.answer_time([0, 3]).axes[0].get_xlabel()


@pytest.mark.parametrize(
    "draw",
    [questions.score_distribution, questions.tags_per_question, questions.body_lengths, questions.answer_time],
)
def test_bad_input_is_named(draw):
    with pytest.raises(ValueError, match="empty"):
        draw([])
    with pytest.raises(ValueError, match="1 of 3 values are missing"):
        draw([1, None, 2])
