import polars as pl
import pytest

from stackstudy.evaluation import studies
from stackstudy.evaluation.tables import PAIR

SYSTEMS = (
    ("majority", "baseline", "majority", "corrected"),
    ("tfidf", "baseline", "tfidf", "corrected"),
    ("xgboost-published", "trees", "xgboost", "published"),
    ("xgboost", "trees", "xgboost", "corrected"),
    ("mhsa", "network", "mhsa", "corrected"),
    ("mhsa-published", "network", "mhsa", "published"),
    ("cross", "network", "cross", "corrected"),
    ("cross-manifold", "network", "cross", "corrected"),
)
LEADERS = {"best": "mhsa", "best_baseline": "tfidf", "best_trees": "xgboost", "best_network": "mhsa"}


@pytest.fixture
def catalogue() -> pl.DataFrame:
    return pl.DataFrame(SYSTEMS, ("system", "family", "architecture", "protocol"), orient="row")


def pairs(*rows: tuple) -> pl.DataFrame:
    """Comparisons by weighted F1: first, second, difference, verdict."""
    known = pl.DataFrame(rows, ("first", "second", "difference", "verdict"), orient="row")
    width = {"low": pl.col("difference") - 0.01, "high": pl.col("difference") + 0.01}
    return known.with_columns(metric=pl.lit("f1_weighted"), p=0.01, p_holm=0.02, **width).select(list(PAIR))


@pytest.fixture
def tested() -> pl.DataFrame:
    return pairs(
        ("mhsa", "mhsa-published", -0.02, "worse"),
        ("mhsa", "tfidf", 0.05, "better"),
        ("cross", "tfidf", 0.01, "not distinguishable"),
        ("tfidf", "majority", 0.5, "better"),
    )


def test_leaders_are_chosen_among_the_corrected_on_validation(catalogue):
    f1 = {"majority": 0.1, "tfidf": 0.5, "mhsa": 0.7, "mhsa-published": 0.9, "cross": 0.7, "xgboost": 0.4}
    validation = pl.DataFrame({"system": list(f1), "f1_weighted": list(f1.values())})
    assert studies.leaders(catalogue.filter(pl.col("system").is_in(list(f1))), validation) == LEADERS


def test_planned_pairs_are_the_ones_promised(catalogue):
    found = studies.planned_pairs(catalogue, LEADERS)
    assert len({frozenset(pair) for pair in found}) == len(found)
    assert all(len(set(pair)) == 2 for pair in found)
    assert {("xgboost", "xgboost-published"), ("mhsa", "mhsa-published")} <= set(found)
    assert {("mhsa", name) for name in ("majority", "tfidf", "xgboost", "cross", "cross-manifold")} <= set(found)
    assert {("cross", "tfidf"), ("xgboost", "tfidf"), ("majority", "tfidf"), ("cross-manifold", "cross")} <= set(found)
    published = [pair for pair in found if any(name.endswith("-published") for name in pair)]
    assert len(published) == 2, "a published system is compared with its corrected self alone"


def test_a_trained_encoder_is_compared_with_the_encoder_as_it_was(catalogue):
    more = [("linear-probe", "baseline", "linear-probe", "corrected"), ("tuned", "finetuned", "tuned", "corrected")]
    both = pl.concat([catalogue, pl.DataFrame(more, catalogue.schema, orient="row")])
    found = studies.planned_pairs(both, LEADERS)
    assert ("tuned", "linear-probe") in found
    assert ("tuned", "tfidf") in found
    assert ("mhsa", "linear-probe") in found, "as the best system"
    assert ("cross", "linear-probe") not in found


def test_kernels_and_combinations_are_compared_with_what_they_should_beat(catalogue):
    kernels = ("word-kernel", "hybrid-kernel")
    combined = ("second-stage", "mixture", "mixture-per-label")
    families = dict.fromkeys(kernels, "kernels") | dict.fromkeys(combined, "combined")
    more = [(name, family, name, "corrected") for name, family in families.items()]
    both = pl.concat([catalogue, pl.DataFrame(more, catalogue.schema, orient="row")])
    found = studies.planned_pairs(both, LEADERS | {"best": "xgboost"})
    assert {(name, "mhsa") for name in families} <= set(found)
    assert {("second-stage", "hybrid-kernel"), ("mixture", "second-stage")} <= set(found)
    assert {("hybrid-kernel", "word-kernel"), ("mixture-per-label", "mixture")} <= set(found)
    assert ("mixture", "hybrid-kernel") not in found


def test_without_baselines_the_other_pairs_remain(catalogue):
    networks = catalogue.filter(family="network")
    found = studies.planned_pairs(networks, {"best": "cross", "best_network": "cross"})
    assert found == [("mhsa", "mhsa-published"), ("cross", "mhsa"), ("cross", "cross-manifold")]


def test_published_against_corrected_has_a_row_a_system(tested):
    table = studies.published_against_corrected(tested)
    assert table.columns == ["system", "f1_weighted", "f1_weighted_low", "f1_weighted_high", "f1_weighted_p"]
    assert table.rows() == [("mhsa", -0.02, pytest.approx(-0.03), pytest.approx(-0.01), 0.02)]


def test_outcomes_are_seen_from_the_other_system(tested):
    found = studies.outcomes(tested, "tfidf", "f1_weighted", ["mhsa", "cross", "majority"])
    assert (found["ahead_names"], found["level_names"], found["behind_names"]) == ("mhsa", "cross", "majority")
    assert (found["ahead"], found["tests"]) == (1, 3)
    assert studies.outcomes(tested, "tfidf", "f1_weighted", ["mhsa"])["behind_names"] == "none"


@pytest.mark.parametrize(("names", "text"), [([], "none"), (["a"], "a"), (["a", "b", "c"], "a, b and c")])
def test_names_are_listed_as_in_a_sentence(names, text):
    assert studies.listed(names) == text


def test_conclusions_follow_from_the_verdicts(catalogue, tested):
    summary = catalogue.select("system", f1_weighted=pl.lit(0.5))
    text = studies.conclusions(LEADERS, summary, tested, "f1_weighted")
    assert "best system is **mhsa**: 0.500 on test" in text
    assert "(tfidf), by the paired test: ahead: mhsa, level: cross, behind: majority" in text
    assert "mhsa, corrected minus published: -0.020 [-0.030, -0.010], worse" in text
    numbers = studies.numbers(LEADERS, tested, summary)
    assert numbers["against_best_baseline"]["f1_weighted"]["ahead_names"] == "mhsa"
    assert numbers["pairs"]["mhsa_vs_tfidf"]["f1_weighted"]["p"] == 0.02


def test_the_loss_study_takes_the_best_and_the_last_epoch_of_each_seed():
    history = pl.DataFrame(
        {
            "system": ["a"] * 5,
            "seed": [0, 0, 0, 1, 1],
            "epoch": [1, 2, 3, 1, 2],
            "train_loss": [0.5, 0.4, 0.2, 0.5, 0.3],
            "validation_loss": [0.5, 0.6, 0.8, 0.7, 0.6],
            "validation_f1_micro": [0.1, 0.3, 0.3, 0.5, 0.4],
        }
    )
    validation = pl.DataFrame({"system": ["b", "a"], "threshold": 0.4, "f1_micro": [0.6, 0.7], "f1_macro": 0.5})
    ends = {f"{name}{end}": 0.5 for name in ("f1_micro", "f1_macro") for end in ("", "_low", "_high")}
    test = pl.DataFrame({"system": ["a", "b"]}).with_columns(**ends)
    row = studies.loss_study({"a": "focal"}, history, validation, test).row(0, named=True)
    assert (row["system"], row["loss"], row["threshold"], row["validation_f1_micro"]) == ("a", "focal", 0.4, 0.7)
    assert (row["best_epoch"], row["epochs"]) == (1.5, 2.5)
    assert (row["train_loss"], row["train_loss_end"]) == pytest.approx((0.45, 0.25))
    assert row["gap"] == pytest.approx(0.65 / 0.45)
    assert row["gap_end"] == pytest.approx(0.7 / 0.25)
