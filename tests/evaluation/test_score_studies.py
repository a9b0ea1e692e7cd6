import numpy as np
import polars as pl
import pytest

from stackstudy.evaluation import score_studies, score_tables, tables
from stackstudy.evaluation.bootstrap import paired_bootstrap
from stackstudy.evaluation.predictions import Predictions, rows_of
from stackstudy.questions.schema import row_hash

NAMES = {
    "mean": "traditional",
    "mean-log": "traditional",
    "tfidf-ridge": "traditional",
    "boosting": "traditional",
    "dsf-mhsa": "network",
    "dsf-mhsa-no-stopping": "network",
    "dsf-mhsa-log": "network",
    "controls": "beyond",
    "controls-log": "beyond",
    "xgboost": "beyond",
    "xgboost-log": "beyond",
    "xgboost-controls": "beyond",
    "xgboost-controls-log": "beyond",
    "ordinal": "beyond",
}
LEADERS = {"best_raw": "dsf-mhsa", "best_log": "dsf-mhsa-log", "best_rank": "xgboost-log", "best_beyond": "xgboost-log"}


@pytest.fixture
def catalogue() -> pl.DataFrame:
    return pl.DataFrame({"system": list(NAMES), "family": list(NAMES.values())})


def made(system: str, questions: pl.DataFrame, noise: float) -> Predictions:
    rows = rows_of(questions, "validation", "test")
    values = questions["score"].to_numpy()[rows] + noise * np.random.default_rng(0).normal(size=(1, rows.size))
    if system.startswith("mean"):
        values[:] = 20
    return Predictions(system, "scores", row_hash(questions), rows, [0], values, {"experiment": f"x-{system}"})


def validation(**metrics: list[float]) -> pl.DataFrame:
    return pl.DataFrame({"system": list(NAMES), "r2": 0.0, "r2_log": 0.0, "spearman": 0.0} | metrics)


def test_leaders_read_text_alone_and_stop_early(catalogue):
    """Floors, controls, what knows the age, and what was trained too long on purpose are not called the best."""
    high = [0.9, 0.9, 0.2, 0.9, 0.3, 0.9, 0.4, 0.9, 0.9, 0.1, 0.5, 0.9, 0.9, 0.0]
    frame = validation(r2_log=high, spearman=high, r2=high)
    assert score_studies.leaders(catalogue, frame) == {
        "best_raw": "xgboost-log",
        "best_log": "xgboost-log",
        "best_rank": "xgboost-log",
        "best_traditional": "tfidf-ridge",
        "best_network": "dsf-mhsa-log",
        "best_beyond": "xgboost-log",
    }


def test_where_there_are_samples_ranks_within_them_decide(catalogue):
    spearman = [0.0] * len(NAMES)
    spearman[2] = 0.9
    within = [0.0] * len(NAMES)
    within[9] = 0.3
    frame = validation(spearman=spearman)
    assert score_studies.leaders(catalogue, frame)["best_rank"] == "tfidf-ridge"
    inner = frame.with_columns(spearman_within=pl.Series(within))
    assert score_studies.leaders(catalogue, inner)["best_rank"] == "xgboost"


def test_without_a_text_system_there_is_no_best(catalogue):
    with pytest.raises(ValueError, match="no score system that reads text alone"):
        score_studies.leaders(catalogue.filter(system="controls"), validation())


def test_planned_pairs_are_the_ones_promised():
    pairs = score_studies.planned_pairs(list(NAMES), LEADERS)
    assert len({frozenset(pair) for pair in pairs}) == len(pairs)
    assert all(len(set(pair) & NAMES.keys()) == 2 for pair in pairs)
    assert {("tfidf-ridge", "mean"), ("xgboost-log", "mean-log"), ("dsf-mhsa", "dsf-mhsa-no-stopping")} <= set(pairs)
    assert {("dsf-mhsa-log", "dsf-mhsa"), ("dsf-mhsa-log", "controls-log"), ("controls", "mean")} <= set(pairs)
    assert {("xgboost-controls", "controls"), ("xgboost-controls-log", "xgboost-log")} <= set(pairs)
    assert not any("no-stopping" in first for first, _ in pairs)


def test_the_ordinal_system_meets_the_floors_and_its_like():
    pairs = score_studies.class_pairs(NAMES, LEADERS)
    assert pairs == [("ordinal", name) for name in ("mean", "mean-log", "xgboost-log", "dsf-mhsa-log")]
    assert score_studies.class_pairs(NAMES, LEADERS | {"best_log": "ordinal"}) == pairs[:3]


@pytest.fixture
def compared(questions) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Summary and tests of all systems; what knows more has less noise."""
    noise = {name: 30 - 10 * ("xgboost" in name) - 8 * ("controls" in name) for name in NAMES}
    systems = score_tables.score_systems([made(name, questions, noise[name]) for name in NAMES], questions)
    evaluation = paired_bootstrap(systems, 200, 0)
    return tables.summary(evaluation), score_tables.tests(evaluation, score_studies.planned_pairs(list(NAMES), LEADERS))


def test_the_text_study_takes_systems_that_learned_the_scale_they_are_judged_on(compared):
    study = score_studies.text_study(compared[1])
    added = study.filter(added="text, to age and sample")
    pairs = {row["metric"]: (row["first"], row["second"]) for row in added.to_dicts()}
    assert pairs["r2"] == pairs["r2_within"] == ("xgboost-controls", "controls")
    assert pairs["r2_log"] == pairs["spearman_within"] == ("xgboost-controls-log", "controls-log")
    assert added.filter(metric="r2")["difference"].item() > 0
    nothing = study.filter(added="text, to nothing", metric="spearman")
    assert nothing["difference"].to_list() == [None]
    table = score_studies.wide(study)
    assert table["added"].to_list() == list(score_studies.TEXT_STUDY)
    assert {"r2", "r2_low", "r2_high", "spearman_within"} <= set(table.columns)


def test_numbers_name_the_leaders_and_how_the_rest_does(compared, questions):
    summary, comparisons = compared
    numbers = score_studies.numbers(LEADERS, comparisons, summary, questions)
    assert numbers["best_log"] == "dsf-mhsa-log"
    assert numbers["texts"] == len(score_studies.may_lead(NAMES)) == 6
    assert numbers["against_mean"]["r2"]["tests"] == 6
    assert numbers["against_mean_log"]["r2"]["tests"] == 0
    assert numbers["strata"] == 3
    assert numbers["strata_names"] == "`(none)`, `a` and `b`"
    plain = questions.with_columns(stratum=pl.lit(None, pl.String))
    assert "strata" not in score_studies.numbers(LEADERS, comparisons, summary, plain)


def test_conclusions_follow_from_the_verdicts(compared):
    summary, comparisons = compared
    text = score_studies.conclusions(LEADERS, comparisons, summary)
    assert "Best on validation: raw dsf-mhsa, log dsf-mhsa-log" in text
    row = comparisons.filter(metric="r2", first="xgboost-controls", second="controls").row(0, named=True)
    assert f"text, to age and sample: r2 {row['difference']:+.3f}" in text
    assert f"{row['verdict']}." in text


def course(system: str, seed: int, errors: list[float]) -> pl.DataFrame:
    losses = {"train_loss": 1.0, "validation_loss": 1.0, "validation_rmse": errors}
    return pl.DataFrame({"system": system, "seed": seed, "epoch": range(1, len(errors) + 1), **losses})


def test_degradation_is_the_last_epoch_against_the_best():
    history = pl.concat(
        [
            course("a-no-stopping", 0, [5.0, 4.0, 6.0, 8.0]),
            course("a-no-stopping", 1, [5.0, 5.0, 4.0, 5.0]),
            course("a", 0, [5.0, 4.0, 6.0]),
            course("a", 1, [5.0, 5.0, 4.0, 5.0]),
            course("alone-no-stopping", 0, [1.0]),
        ]
    )
    table = score_studies.early_stopping(history)
    assert table["system"].to_list() == ["a"]
    row = table.row(0, named=True)
    assert (row["stopped"], row["epochs"], row["best_epoch"]) == (3.5, 4, 2.5)
    assert (row["best_rmse"], row["last_rmse"], row["degradation"]) == (4, 6.5, 2.5)
    assert row["degradation_std"] == pytest.approx(np.std([4, 1], ddof=1))
    assert row["degradation_share"] == pytest.approx((1 + 0.25) / 2)
    numbers = score_studies.study_numbers(score_studies.early_stopping(history.filter(seed=0)))
    assert "degradation_std" not in numbers["a"]
    assert score_studies.early_stopping(history.filter(system="a")).is_empty()


def test_histories_are_those_of_the_networks(questions, tmp_path):
    folder = tmp_path / "x-dsf-mhsa"
    folder.mkdir()
    course("", 0, [2.0, 1.0]).drop("system").with_columns(learning_rate=0.1).write_csv(folder / "history.csv")
    predictions = [made(name, questions, 1) for name in ("dsf-mhsa", "xgboost")]
    history = score_studies.histories(predictions, [folder])
    assert history["system"].to_list() == ["dsf-mhsa"] * 2
    assert history.columns == ["system", *score_studies.COURSE]
    assert score_studies.histories(predictions[1:], [folder]).is_empty()
    assert score_studies.early_stopping(score_studies.histories([], [])).is_empty()


def test_the_folder_of_a_system_is_that_of_its_experiment(questions, tmp_path):
    predictions, folders = (
        {"xgboost": made("xgboost", questions, 1)},
        {"beyond": [tmp_path / "a", tmp_path / "x-xgboost"]},
    )
    assert score_studies.folder_of("xgboost", predictions, folders) == tmp_path / "x-xgboost"
    with pytest.raises(ValueError, match="no predictions of quantile"):
        score_studies.folder_of("quantile", predictions, folders)
