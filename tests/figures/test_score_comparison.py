import polars as pl
import pytest

from stackstudy.evaluation.score_studies import TEXT_STUDY
from stackstudy.figures import score_comparison

NAMES = ["dsf-crossattn-no-stopping", "ridge", "xgboost-controls", "controls", "mean", "mean-log"]
METRICS = ("r2", "r2_log", "spearman")
ENDS = {"": 0.0, "_low": -0.05, "_high": 0.05}


def summary(names: list[str], within: bool) -> pl.DataFrame:
    value = pl.int_range(pl.len()) * -0.15 + 0.3
    columns = {f"{m}{end}": value + shift for m in METRICS for end, shift in ENDS.items()}
    if within:
        columns |= {f"{m}_within{end}": value / 2 + shift for m in METRICS for end, shift in ENDS.items()}
    frame = pl.DataFrame({"system": names}).with_columns(**columns)
    ranks = [name for name in frame.columns if name.startswith("spearman")]
    return frame.with_columns(pl.when(~pl.col("system").str.starts_with("mean")).then(pl.col(*ranks)))


def strata(names: dict[str, int], systems: list[str]) -> pl.DataFrame:
    rows = [{"stratum": s, "questions": n, "system": system} for s, n in names.items() for system in systems]
    columns = {f"{m}{end}": pl.lit(0.2 + shift) for m in METRICS for end, shift in ENDS.items()}
    return pl.DataFrame(rows).with_columns(**columns)


def study(within: bool) -> pl.DataFrame:
    metrics = [f"{m}{part}" for m in METRICS for part in (("", "_within") if within else ("",))]
    rows = [(added, m, 0.1 * i, 0.1 * i - 0.05, 0.1 * i + 0.05) for i, added in enumerate(TEXT_STUDY) for m in metrics]
    frame = pl.DataFrame(rows, ("added", "metric", "difference", "low", "high"), orient="row")
    undefined = (pl.col("metric") == "spearman") & pl.col("added").str.ends_with("nothing")
    return frame.with_columns(pl.when(~undefined).then(pl.col("difference", "low", "high")))


def marks(ax) -> list[tuple[float, float]]:
    return [(line.get_xdata()[0], line.get_ydata()[0]) for line in ax.lines if len(line.get_xdata()) == 1]


@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize("count", [1, 6, 28])
def test_systems(within, count, check_figure):
    names = (NAMES + [f"system-{i}-log" for i in range(22)])[:count]
    check_figure(score_comparison.systems(summary(names, within)))


def test_each_value_is_drawn_and_what_lies_far_below_is_an_arrow():
    figure = score_comparison.systems(summary(NAMES, within=True))
    r2, _, spearman = figure.axes
    assert len(marks(r2)) == 2 * len(NAMES)
    assert len(marks(spearman)) == 2 * (len(NAMES) - 2), "a constant has no rank correlation"
    arrows = [line for line in r2.lines if line.get_marker() == "<"]
    assert [line.get_ydata()[0] for line in arrows] == [pytest.approx(5 - score_comparison.APART)]
    assert [text.get_text() for text in r2.get_yticklabels()] == NAMES


def test_without_samples_nothing_is_said_of_them():
    def words(within):
        return {text.get_text() for text in score_comparison.systems(summary(NAMES, within)).legends[0].texts}

    assert words(True) - words(False) == {"whole test set", "within samples"}


@pytest.mark.parametrize("within", [False, True])
def test_text_adds(within, check_figure):
    figure = score_comparison.text_adds(study(within))
    check_figure(figure)
    counts = [len(marks(ax)) for ax in figure.axes]
    assert counts == ([8, 8, 6] if within else [4, 4, 2])


@pytest.mark.parametrize(
    "sizes", [{"a": 5}, {"a": 30, "b": 200}, {f"stratum_with_a_name_{i}": 20 + i for i in range(15)}]
)
def test_strata(sizes, check_figure):
    systems = {"text": "dsf-crossattn-log", "age and sample": "controls-log", "both": "xgboost-controls-log"}
    check_figure(score_comparison.strata(strata(sizes, list(systems.values())), systems))


def test_small_strata_are_left_out_and_large_ones_come_first():
    figure = score_comparison.strata(strata({"small": 5, "large": 300, "middle": 40}, ["x"]), {"text": "x"})
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["large (300)", "middle (40)"]
    assert len(marks(figure.axes[1])) == 2


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="score systems: column spearman, spearman_low, spearman_high is missing"):
        score_comparison.systems(summary(NAMES, False).drop("spearman", "spearman_low", "spearman_high"))
    with pytest.raises(ValueError, match="what text adds: nothing to draw"):
        score_comparison.text_adds(study(False).clear())


def test_the_order_of_rows_changes_no_byte(png_bytes):
    frame = strata({"a": 30, "b": 200}, ["x", "y"])
    views = {"text": "x", "both": "y"}
    shuffled = frame.sample(fraction=1, shuffle=True, seed=0)
    assert png_bytes(score_comparison.strata(frame, views)) == png_bytes(score_comparison.strata(shuffled, views))


def test_members_without_a_weight_are_left_out():
    weights = {
        "stack": ["a", "a", "b"],
        "system": ["xgboost-log", "log-sgd", "controls-log"],
        "weight": [0.9, 0.0, 1.0],
    }
    first, second = score_comparison.stack_weights(pl.DataFrame(weights)).axes
    assert [tick.get_text() for tick in first.get_yticklabels()] == ["xgboost-log"]
    assert [bar.get_width() for bar in second.patches] == [1.0]
    assert (first.get_title("left"), second.get_title("left")) == ("a", "b")
