import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_array
from sklearn.metrics import f1_score

from stackstudy.evaluation import score_tables, tables
from stackstudy.evaluation.bootstrap import paired_bootstrap
from stackstudy.evaluation.predictions import Predictions, rows_of
from stackstudy.evaluation.tags import choose_threshold
from stackstudy.evaluation.thresholds import thresholds
from stackstudy.questions.schema import row_hash

LABELS = 8


def tags(system: str, questions: pl.DataFrame, labels: csr_array, noise: float, **parameters) -> Predictions:
    """Predictions that are worse the more noise there is, for two seeds."""
    rows, random = rows_of(questions, "validation", "test"), np.random.default_rng(len(system))
    truth = labels[rows].toarray()
    values = np.clip(0.25 + 0.5 * truth + noise * random.normal(size=(2, *truth.shape)), 0, 1)
    return Predictions(system, "tags", row_hash(questions), rows, [0, 1], values, parameters)


def scores(system: str, questions: pl.DataFrame, noise: float) -> Predictions:
    rows, random = rows_of(questions, "validation", "test"), np.random.default_rng(len(system))
    values = questions["score"].to_numpy()[rows] + noise * random.normal(size=(1, rows.size))
    return Predictions(system, "scores", row_hash(questions), rows, [0], values)


@pytest.fixture
def systems(questions, labels) -> tables.Systems:
    pair = tags("sharp-one", questions, labels, 0.15), tags("blunt", questions, labels, 0.5)
    return tables.tag_systems(pair, questions, labels)


def test_rows_of_a_split_are_found_and_an_empty_one_is_refused(questions):
    rows = rows_of(questions, "train", "test")
    assert set(questions["split"].gather(rows)) == {"train", "test"}
    assert len(rows) + len(rows_of(questions, "validation")) == len(questions)
    with pytest.raises(ValueError, match="no test rows"):
        rows_of(questions.filter(pl.col("split") != "test"), "train", "test")


def test_summary_has_seed_means_spread_and_interval(questions, labels, systems):
    summary = tables.summary(paired_bootstrap(systems, 200, seed=0))
    assert summary["system"].to_list() == ["sharp-one", "blunt"]
    test = rows_of(questions, "test")
    predictions = tags("blunt", questions, labels, 0.5)
    cuts = thresholds(predictions, questions, labels)
    seeds = [
        f1_score(labels[test].toarray(), values >= np.float32(cut), average="weighted")
        for values, cut in zip(predictions.at(test), cuts, strict=True)
    ]
    row = summary.row(1, named=True)
    assert row["f1_weighted"] == pytest.approx(np.mean(seeds), abs=1e-6)
    assert row["f1_weighted_std"] == pytest.approx(np.std(seeds, ddof=1), abs=1e-6)
    assert row["threshold"] == pytest.approx(np.mean(cuts))
    for metric in ("f1_micro", "f1_macro", "f1_weighted", "f1_samples", "lrap", "precision_at_5", "recall_at_5", "ece"):
        assert row[f"{metric}_low"] < row[f"{metric}_high"]
    assert row["f1_micro_low"] < row["f1_micro"] < row["f1_micro_high"]
    assert "threshold_low" not in row


def test_threshold_is_chosen_on_validation_rows_or_as_published(questions, labels):
    for protocol, split in (("corrected", "validation"), ("published", "test")):
        predictions = tags("a", questions, labels, 0.3, protocol=protocol)
        rows = rows_of(questions, split)
        expected = [choose_threshold(values, labels[rows].toarray()) for values in predictions.at(rows)]
        assert thresholds(predictions, questions, labels) == expected


def test_comparisons_tell_who_is_better(questions, labels):
    three = [tags(*each) for each in (("sharp", questions, labels, 0.15), ("blunt", questions, labels, 0.5))]
    three.append(Predictions("twin", "tags", three[0].row_hash, three[0].rows, [0, 1], three[0].values))
    evaluation = paired_bootstrap(tables.tag_systems(three, questions, labels), 300, seed=0)
    rows = tables.comparisons(evaluation, ["f1_weighted", "ece"])
    assert rows.columns == ["metric", "first", "second", "difference", "low", "high", "p", "p_holm", "verdict"]
    assert len(rows) == 6
    f1 = {(row["first"], row["second"]): row for row in rows.filter(metric="f1_weighted").to_dicts()}
    assert f1["sharp", "blunt"]["verdict"] == "better"
    assert f1["blunt", "twin"]["verdict"] == "worse"
    assert f1["sharp", "twin"]["verdict"] == "not distinguishable"
    assert f1["sharp", "twin"]["p_holm"] == 1
    assert f1["sharp", "blunt"]["difference"] == pytest.approx(-f1["blunt", "twin"]["difference"])
    assert f1["sharp", "blunt"]["p_holm"] == pytest.approx(3 * f1["sharp", "blunt"]["p"])
    with pytest.raises(ValueError, match=r"no metric f2; there are f1_micro"):
        tables.comparisons(evaluation, ["f2"])


def test_only_the_pairs_asked_for_are_compared_and_corrected_for(questions, labels):
    three = [tags(name, questions, labels, noise) for name, noise in (("a", 0.15), ("bb", 0.5), ("ccc", 0.6))]
    evaluation = paired_bootstrap(tables.tag_systems(three, questions, labels), 300, seed=0)
    rows = tables.comparisons(evaluation, ["f1_micro"], [("ccc", "a")])
    assert rows.select("first", "second", "verdict").rows() == [("ccc", "a", "worse")]
    assert rows["p_holm"].to_list() == rows["p"].to_list()


def test_points_are_seed_means_on_the_rows_of_a_split(questions, labels):
    predictions = tags("a", questions, labels, 0.3)
    points = tables.points(tables.tag_systems([predictions], questions, labels, "validation"))
    rows = rows_of(questions, "validation")
    truth, cuts = labels[rows].toarray(), thresholds(predictions, questions, labels)
    seeds = [
        f1_score(truth, values >= np.float32(cut), average="macro")
        for values, cut in zip(predictions.at(rows), cuts, strict=True)
    ]
    assert points["system"].to_list() == ["a"]
    assert points["f1_macro"].item() == pytest.approx(np.mean(seeds), abs=1e-6)
    assert points["threshold"].item() == pytest.approx(np.mean(cuts))


def test_one_system_makes_an_empty_table_of_pairs(systems):
    alone = paired_bootstrap({"blunt": systems["blunt"]}, 20, seed=0)
    pairs = tables.comparisons(alone, ["f1_micro"])
    assert pairs.is_empty()
    assert pairs.columns == list(tables.PAIR)
    assert tables.pair_numbers(pairs) == {}


def test_a_lower_error_is_better_and_the_undefined_is_said(questions):
    rows = rows_of(questions, "validation", "test")
    constant = Predictions("mean", "scores", row_hash(questions), rows, [0], np.full((1, rows.size), 25.0))
    systems = score_tables.score_systems([scores("close", questions, 1), constant], questions)
    evaluation = paired_bootstrap(systems, 200, seed=0)
    verdicts = tables.comparisons(evaluation, ["rmse", "r2", "spearman"])["verdict"].to_list()
    assert verdicts == ["better", "better", "undefined"]
    summary = tables.summary(evaluation)
    assert summary["spearman"].to_list()[1] is None
    assert summary["r2_std"].to_list() == [None, None]
    assert "spearman" not in tables.numbers(summary)["mean"]


def test_numbers_are_named_as_the_paper_reads_them(systems):
    evaluation = paired_bootstrap(systems, 100, seed=0)
    numbers = tables.numbers(tables.summary(evaluation))
    assert {"f1_micro", "f1_micro_low", "f1_micro_high", "f1_micro_std", "threshold"} <= numbers["sharp_one"].keys()
    pairs = tables.pair_numbers(tables.comparisons(evaluation, ["f1_micro"]))
    assert pairs["sharp_one_vs_blunt"]["f1_micro"].keys() == {"difference", "low", "high", "p"}


def test_with_intervals_picks_columns(systems):
    summary = tables.summary(paired_bootstrap(systems, 50, seed=0))
    frame = tables.with_intervals(summary, ["ece", "lrap"])
    assert frame.columns[:6] == ["system", "ece", "ece_low", "ece_high", "ece_std", "lrap"]


@pytest.mark.parametrize(("metric", "expected"), [("f1_micro", "b"), ("rmse", "a"), ("spearman", "a")])
def test_the_best_system_has_the_highest_value_or_the_lowest_error(questions, labels, metric, expected):
    predictions = [tags(name, questions, labels, 0.3) for name in ("b", "a")]
    summary = pl.DataFrame({"system": ["a", "b"], "f1_micro": [0.3, 0.4], "rmse": [1.0, 2.0], "spearman": [0.1, None]})
    assert tables.best(predictions, summary, metric).system == expected
    with pytest.raises(ValueError, match="r2 is undefined"):
        tables.best(predictions, summary.with_columns(r2=pl.lit(None)), "r2")


def test_the_threshold_curve_peaks_at_the_choice(questions, labels):
    predictions = tags("a", questions, labels, 0.3)
    one = Predictions("a", "tags", predictions.row_hash, predictions.rows, [0], predictions.values[:1])
    curve = tables.threshold_curve(one, questions, labels)
    near = np.abs(curve["thresholds"] - curve["chosen"]).argmin()
    assert curve["f1_micro"][near] == pytest.approx(curve["f1_micro"].max(), abs=0.01)
    assert curve["f1_micro"][0] < curve["f1_micro"].max()


def test_reliability_counts_every_decision_of_every_seed(questions, labels):
    bins = tables.reliability(tags("a", questions, labels, 0.3), questions, labels)
    assert bins["count"].sum() == 2 * LABELS * len(rows_of(questions, "test"))


def test_r2_without_top_is_that_of_the_summary_at_both_ends(questions):
    predictions = [scores("close", questions, 5)]
    summary = tables.summary(paired_bootstrap(score_tables.score_systems(predictions, questions), 20, seed=0))
    curve = score_tables.r2_without_top(predictions, questions)
    assert curve["dropped"].tolist() == list(range(11))
    ends = curve["r2"]["close"][[0, 10]]
    assert ends == pytest.approx([summary["r2"].item(), summary["r2_without_top10"].item()])


def test_training_numbers_are_means_of_the_best_epochs():
    history = pl.DataFrame(
        {"seed": [0, 0, 0, 1, 1], "epoch": [1, 2, 3, 1, 2], "validation_loss": 0.1, "value": [3.0, 1.0, 2.0, 4.0, 5.0]}
    )
    f1 = tables.training_numbers(history.rename({"value": "validation_f1_micro"}))
    assert f1 == {"epochs": 2.5, "best_epoch": 1.5, "validation_f1_micro": 4.0}
    rmse = tables.training_numbers(history.rename({"value": "validation_rmse"}))
    assert rmse == {"epochs": 2.5, "best_epoch": 1.5, "validation_rmse": 2.5}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda p, q: [p, p], "two predictions are called blunt"),
        (lambda p, q: [scores("s", q, 1)], "predictions of s are scores, expected tags"),
        (
            lambda p, q: [Predictions("old", "tags", "x", p.rows, p.seeds, p.values)],
            "predictions of old were made for another question table",
        ),
        (
            lambda p, q: [Predictions("few", "tags", p.row_hash, p.rows, p.seeds, p.values[:, :, 1:])],
            "predictions of few are for another label space",
        ),
        (
            lambda p, q: [Predictions("part", "tags", p.row_hash, p.rows[1:], p.seeds, p.values[:, 1:])],
            "predictions of part: no prediction for row",
        ),
    ],
)
def test_predictions_that_do_not_belong_together_are_refused(questions, labels, change, complaint):
    predictions = change(tags("blunt", questions, labels, 0.5), questions)
    with pytest.raises(ValueError, match=complaint):
        tables.tag_systems(predictions, questions, labels)
