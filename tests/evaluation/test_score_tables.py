import numpy as np
import polars as pl
import pytest

from stackstudy.evaluation import score_tables, tables
from stackstudy.evaluation.bootstrap import paired_bootstrap
from stackstudy.evaluation.predictions import Predictions, rows_of
from stackstudy.evaluation.scores import row_sums
from stackstudy.questions.schema import row_hash


def made(system: str, questions: pl.DataFrame, noise: float, seeds: int = 1, **parameters) -> Predictions:
    rows, random = rows_of(questions, "validation", "test"), np.random.default_rng(len(system))
    values = questions["score"].to_numpy()[rows] + noise * random.normal(size=(seeds, rows.size))
    return Predictions(system, "scores", row_hash(questions), rows, range(seeds), values, parameters)


@pytest.fixture
def plain(questions) -> pl.DataFrame:
    """The same questions, not from several samples."""
    return questions.with_columns(stratum=pl.lit(None, pl.String))


@pytest.mark.parametrize(
    ("system", "reads"),
    [
        ("mean", "floor"),
        ("mean-log", "floor"),
        ("controls", "controls"),
        ("controls-log", "controls"),
        ("xgboost-controls", "both"),
        ("xgboost-controls-log", "both"),
        ("boosting", "both"),
        ("xgboost-log", "text"),
        ("dsf-mhsa-no-stopping", "text"),
    ],
)
def test_what_a_system_reads_follows_from_its_name(system, reads):
    assert score_tables.role(system) == reads


def test_only_systems_of_the_same_strata_are_compared(questions):
    whole, inner = made("a", questions, 1), made("a", questions, 1, strata=["a", "b"])
    assert score_tables.made_for([whole, inner], None) == [whole]
    assert score_tables.made_for([whole, inner], ("a", "b")) == [inner]
    with pytest.raises(ValueError, match="no score system was trained on b"):
        score_tables.made_for([whole, inner], ("b",))


def test_within_metrics_are_there_where_there_are_strata(questions, plain):
    with_strata = tables.points(score_tables.score_systems([made("a", questions, 5)], questions))
    without = tables.points(score_tables.score_systems([made("a", plain, 5)], plain))
    assert set(score_tables.WITHIN) <= set(with_strata.columns)
    assert not set(score_tables.WITHIN) & set(without.columns)
    assert with_strata["rmse"].item() == pytest.approx(without["rmse"].item())


def test_validation_rows_are_judged_apart(questions):
    predictions = made("a", questions, 5)
    rows = rows_of(questions, "validation")
    expected = row_sums(questions["score"].to_numpy()[rows], predictions.at(rows)[0]).point()
    found = tables.points(score_tables.score_systems([predictions], questions, "validation"))
    assert found["spearman"].item() == pytest.approx(expected["spearman"])


def test_predictions_that_do_not_belong_together_are_refused(questions):
    with pytest.raises(ValueError, match="two predictions are called a"):
        score_tables.score_systems([made("a", questions, 1)] * 2, questions)
    with pytest.raises(ValueError, match="predictions of a were made for another question table"):
        score_tables.score_systems([made("a", questions[1:], 1)], questions)


def test_text_comes_first_and_the_floors_last():
    summary = pl.DataFrame(
        {
            "system": ["mean", "controls", "ridge", "xgboost-controls", "svr", "mean-log"],
            "spearman": [None, 0.9, 0.1, 0.95, 0.2, None],
        }
    )
    assert score_tables.ordered(summary)["system"].to_list() == [
        "svr",
        "ridge",
        "xgboost-controls",
        "controls",
        "mean",
        "mean-log",
    ]
    inner = summary.with_columns(spearman_within=pl.Series([None, 0.0, 0.3, 0.4, 0.2, None]))
    assert score_tables.ordered(inner)["system"].to_list()[:2] == ["ridge", "svr"]


def test_the_summary_table_says_what_made_a_row(questions):
    evaluation = paired_bootstrap(score_tables.score_systems([made("a", questions, 5, seeds=2)], questions), 50, 0)
    catalogue = pl.DataFrame({"system": ["a"], "family": ["network"], "parameters": ["a.yaml"]})
    table = score_tables.summary_table(tables.summary(evaluation), catalogue)
    assert table.select("system", "family", "parameters").row(0) == ("a", "network", "a.yaml")
    assert {"rmse_low", "rmse_std", "r2_without_top10", "spearman_within"} <= set(table.columns)


def test_the_seed_table_names_the_run_and_the_spread(questions):
    predictions = [made("a", questions, 5, seeds=2), made("bb", questions, 9)]
    summary = tables.summary(paired_bootstrap(score_tables.score_systems(predictions, questions), 20, 0))
    catalogue = pl.DataFrame({"system": ["bb", "a"], "experiment": ["y", "x"], "learned": [2, 1]})
    table = score_tables.seed_table(summary, predictions, catalogue)
    assert table.select("system", "experiment", "learned", "seeds").rows() == [("a", "x", 1, 2), ("bb", "y", 2, 1)]
    assert table["rmse_std"].to_list() == [summary["rmse_std"][0], None]


def test_floors_and_controls_are_compared_on_their_own_scale_alone(questions):
    names = ("a", "mean", "mean-log", "controls", "controls-log")
    systems = score_tables.score_systems([made(name, questions, 5) for name in names], questions)
    tested = score_tables.tests(paired_bootstrap(systems, 50, 0), [("a", name) for name in names[1:]])
    for metric, floor in (("r2", "mean"), ("rmse", "mean"), ("r2_log", "mean-log"), ("spearman_within", "mean-log")):
        assert tested.filter(metric=metric)["second"].to_list() == [floor, floor.replace("mean", "controls")]


def test_a_stratum_is_judged_as_if_it_were_all(questions, plain):
    predictions = [made("a", questions, 10), made("bb", questions, 1)]
    frame = score_tables.by_stratum(predictions, questions, 50, 0)
    assert frame["stratum"].unique(maintain_order=True).to_list() == ["(none)", "a", "b"]
    test = rows_of(questions, "test")
    rows = test[(questions["stratum"].gather(test) == "a").fill_null(False).to_numpy()]
    expected = row_sums(questions["score"].to_numpy()[rows], predictions[0].at(rows)[0]).point()
    row = frame.filter(system="a", stratum="a").row(0, named=True)
    assert row["questions"] == rows.size
    assert row["spearman"] == pytest.approx(expected["spearman"])
    assert score_tables.by_stratum([made("a", plain, 1)], plain, 10, 0) is None


def test_r2_without_top_is_that_of_the_summary_at_both_ends(questions):
    predictions = [made("close", questions, 5, seeds=2)]
    summary = tables.points(score_tables.score_systems(predictions, questions))
    curve = score_tables.r2_without_top(predictions, questions)
    assert curve["dropped"].tolist() == list(range(11))
    ends = curve["r2"]["close"][[0, 10]]
    assert ends == pytest.approx([summary["r2"].item(), summary["r2_without_top10"].item()])


def test_the_tail_makes_most_of_the_squares(questions):
    test = rows_of(questions, "test")
    heavy = questions.with_columns(
        score=pl.when(pl.int_range(pl.len()).is_in(test[:10].tolist())).then(5000).otherwise("score")
    )
    rows = rows_of(heavy, "validation", "test")
    mean = Predictions("mean", "scores", row_hash(heavy), rows, [0], np.full((1, rows.size), 20.0))
    shares = score_tables.tail_shares(mean, heavy)
    assert shares["error_share"] > 0.99
    assert 0.9 < shares["variance_share"] < 1
    constant = heavy.with_columns(score=pl.lit(3))
    assert score_tables.tail_shares(mean, constant).keys() == {"error_share"}
