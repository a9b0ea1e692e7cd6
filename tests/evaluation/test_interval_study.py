import numpy as np
import polars as pl
import pytest
from scipy.stats import norm

from stackstudy.evaluation import interval_study
from stackstudy.evaluation.interval_study import Intervals

QUANTILES = (0.05, 0.5, 0.95)


@pytest.fixture
def intervals() -> Intervals:
    """Of normal scores, right for the first half; too narrow for the second, whose spread is twice as large."""
    random, n = np.random.default_rng(0), 4000
    spread = np.repeat([10.0, 20.0], n // 2)
    actual = np.round(spread * random.normal(size=n))
    low, high = norm.ppf(0.05) * np.full((2, n), 10.0), norm.ppf(0.95) * np.full((2, n), 10.0)
    high[:, n // 2 :] += 1  # a little wider, so that width tells the halves apart
    return Intervals(actual, low, np.zeros((2, n)), high, QUANTILES)


def test_coverage_is_told_for_all_by_width_and_by_stratum(intervals):
    strata = pl.Series(["right"] * 2000 + ["narrow"] * 2000)
    table = interval_study.coverage_table(intervals, strata)
    assert table["by"].to_list() == ["all", *["width"] * 4, *["stratum"] * 2]
    covered = dict(table.select("group", "coverage").rows())
    assert covered["right"] == pytest.approx(0.9, abs=0.02)
    assert covered["narrow"] < 0.65
    assert covered["narrowest"] > covered["widest"] + 0.2
    assert covered["all"] == pytest.approx((covered["right"] + covered["narrow"]) / 2)
    row = table.row(0, named=True)
    assert row["coverage_low"] < row["coverage"] < row["coverage_high"]
    assert row["coverage"] + row["below"] + row["above"] == pytest.approx(1)
    assert table.filter(by="width")["questions"].sum() == row["questions"] == 4000


def test_without_strata_and_with_one_row_the_table_stands():
    one = Intervals(np.array([3.0]), np.zeros((1, 1)), np.ones((1, 1)), np.full((1, 1), 2.0), QUANTILES)
    table = interval_study.coverage_table(one)
    assert table["group"].to_list() == ["all", "narrowest"]
    assert table["above"].to_list() == [1, 1]


def test_quantiles_are_compared_with_constants(intervals):
    training = np.random.default_rng(1).normal(0, 10, 500).round().astype(int)
    questions = pl.DataFrame({"score": training, "split": "train"})
    table = interval_study.quantile_table(intervals, questions)
    assert table["quantile"].to_list() == list(QUANTILES)
    assert (table["below"] <= table["at_most"]).all()
    middle = table.row(1, named=True)
    assert middle["below"] < 0.5 < middle["at_most"]
    assert middle["pinball"] == pytest.approx(middle["pinball_constant"], rel=0.02)


def test_numbers_are_named_as_the_paper_reads_them(intervals):
    questions = pl.DataFrame({"score": [1, 2, 3], "split": "train"})
    table, quantiles = interval_study.coverage_table(intervals), interval_study.quantile_table(intervals, questions)
    numbers = interval_study.interval_numbers(intervals, table, quantiles)
    assert numbers["level"] == 0.9
    assert numbers["coverage_narrowest"] == table["coverage"][1]
    assert {"coverage_low", "below", "above", "width_median", "pinball_low", "pinball_high_constant"} <= numbers.keys()
    assert all(isinstance(value, float) for value in numbers.values())


def test_coverage_by_hand():
    actual, low, high = np.array([0, 1, 5, -3]), np.array([0, 2, 0, -2]), np.array([0, 4, 4, 9])
    expected = {"coverage": 0.25, "below": 0.5, "above": 0.25, "width_median": 3.0}
    assert interval_study.coverage(actual, low, high) == pytest.approx(expected)
