import numpy as np
import polars as pl
import pytest

from stackstudy.figures.tags import seq2seq_course


def course(seeds: int, evaluations: int) -> pl.DataFrame:
    steps = 500 * np.arange(1, evaluations + 1)
    parts = [
        pl.DataFrame(
            {"seed": seed, "step": steps, "train_loss": 4 / steps, "validation_f1_micro": -((steps - 1500) ** 2.0)}
        )
        for seed in range(seeds)
    ]
    return pl.concat(parts)


@pytest.mark.parametrize(("seeds", "evaluations"), [(1, 1), (1, 8), (5, 40)])
def test_seq2seq_course(seeds, evaluations, check_figure):
    check_figure(seq2seq_course(course(seeds, evaluations)))


def test_it_marks_the_best_checkpoint_of_each_seed():
    score = seq2seq_course(course(2, 8)).axes[1]
    assert [line.get_xdata()[0] for line in score.lines if line.get_marker() == "D"] == [1500, 1500]


def test_the_order_of_the_rows_does_not_matter(png_bytes):
    frame = course(3, 8)
    assert png_bytes(seq2seq_course(frame)) == png_bytes(seq2seq_course(frame.sample(fraction=1, shuffle=True, seed=0)))
    with pytest.raises(ValueError, match="is missing; the table has"):
        seq2seq_course(frame.drop("step"))
