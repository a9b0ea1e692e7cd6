import numpy as np
import polars as pl
import pytest

from stackstudy.figures import score_studies

CLASSES = ["bad", "neutral", "good", "very good", "excellent"]


def history(systems: list[str], seeds: int, epochs: int) -> pl.DataFrame:
    rows = [
        {
            "system": system,
            "seed": seed,
            "epoch": epoch,
            "train_loss": 20_000 / epoch,
            "validation_loss": 19_000 + 10 * epoch,
            "validation_rmse": 134 + seed + 0.02 * (epoch - 3) ** 2,
        }
        for system in systems
        for seed in range(seeds)
        for epoch in range(1, 1 + (epochs if system.endswith("no-stopping") else min(epochs, 8)))
    ]
    return pl.DataFrame(rows)


BOTH = ["dsf-mhsa", "dsf-mhsa-no-stopping", "dsf-crossattn", "dsf-crossattn-no-stopping", "body-mlp"]


@pytest.mark.parametrize("systems", [BOTH[:2], BOTH])
@pytest.mark.parametrize(("seeds", "epochs"), [(1, 1), (1, 50), (5, 50)])
def test_early_stopping(systems, seeds, epochs, check_figure):
    figure = score_studies.early_stopping(history(systems, seeds, epochs))
    check_figure(figure)
    assert len(figure.axes) == 2 * (len(systems) // 2)


def test_the_epoch_that_is_kept_is_marked_for_each_seed():
    figure = score_studies.early_stopping(history(BOTH[:2], 3, 50))
    kept = next(line for line in figure.axes[1].lines if line.get_marker() == "D")
    assert list(kept.get_xdata()) == [3, 3, 3]
    assert sorted(kept.get_ydata()) == [134, 135, 136]


def test_early_stopping_needs_both_runs():
    with pytest.raises(ValueError, match="no system is there both with and without it"):
        score_studies.early_stopping(history(BOTH[1:3], 1, 3))


def quantiles() -> pl.DataFrame:
    return pl.DataFrame({"quantile": [0.05, 0.5, 0.95], "below": [0.01, 0.3, 0.94], "at_most": [0.2, 0.6, 0.95]})


def covered(strata: int) -> pl.DataFrame:
    groups = [("all", "all"), *(("width", f"{name}") for name in ("narrowest", "second", "third", "widest"))]
    groups += [("stratum", f"a_stratum_with_a_long_name_{i}") for i in range(strata)]
    frame = pl.DataFrame(groups, ("by", "group"), orient="row").with_row_index("questions", 1)
    return frame.with_columns(coverage=pl.lit(0.88), coverage_low=pl.lit(0.6), coverage_high=pl.lit(1.0))


@pytest.mark.parametrize("strata", [0, 1, 15])
def test_intervals(strata, check_figure):
    check_figure(score_studies.intervals(quantiles(), covered(strata), 0.9))


def test_the_largest_stratum_comes_first_after_the_widths():
    figure = score_studies.intervals(quantiles(), covered(2), 0.9)
    names = [text.get_text() for text in figure.axes[1].get_yticklabels()]
    assert names[0] == "all"
    assert names[1] == "narrowest quarter"
    assert [name[-1] for name in names[5:]] == ["1", "0"]


@pytest.mark.parametrize("count", [1, 11, 40])
def test_importance_has_the_highest_on_top(count, check_figure):
    value = np.arange(count) / 100
    frame = pl.DataFrame(
        {
            "feature": [f"feature {i}" for i in range(count)],
            "importance": value,
            "low": value - 0.01,
            "high": value + 0.01,
        }
    )
    figure = score_studies.importance(frame, "drop in Spearman correlation when the feature is shuffled")
    check_figure(figure)
    names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert names[0] == f"feature {count - 1}"
    assert len(names) == min(count, score_studies.FEATURES)
    assert ("15" in figure.axes[0].get_ylabel()) == (count == 40)


@pytest.mark.parametrize("counts", [np.eye(5) * 7, np.zeros((5, 5)), np.full((5, 5), 12.4)])
def test_classes(counts, check_figure):
    check_figure(score_studies.classes(counts, CLASSES))


def test_the_cells_of_a_class_add_up_to_all_its_questions():
    counts = np.array([[1, 3], [0, 8]])
    texts = [text.get_text() for text in score_studies.classes(counts, ["a", "b"]).axes[0].texts]
    assert texts == ["25", "75", "0", "100", "4", "8", "true"]
    with pytest.raises(ValueError, match=r"counts \(k, k\) for 3 names, got shape \(2, 2\)"):
        score_studies.classes(counts, ["a", "b", "c"])
