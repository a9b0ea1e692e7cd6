import numpy as np
import polars as pl

from stackstudy.evaluation.importance import grouped, permutation_importance


def importance(predict, repeats=4):
    random = np.random.default_rng(0)
    features = pl.DataFrame(random.normal(size=(400, 3)), schema=["strong", "weak", "none"])
    actual = 3 * features["strong"].to_numpy() + features["weak"].to_numpy()
    groups = {name: [name] for name in reversed(features.columns)}
    return permutation_importance(predict, features, actual, groups, repeats, seed=1)


def test_what_counts_more_comes_first_and_what_is_not_read_counts_nothing():
    table = importance(lambda rows: (3 * rows["strong"] + rows["weak"]).to_numpy())
    assert table["feature"].to_list() == ["strong", "weak", "none"]
    assert table["importance"][2] == 0
    assert table["importance"][0] > 0.5 > table["importance"][1] > 0
    assert (table["low"] <= table["importance"]).all()
    assert (table["importance"] <= table["high"]).all()


def test_a_constant_prediction_loses_nothing():
    assert importance(lambda rows: np.ones(len(rows)))["importance"].to_list() == [0, 0, 0]


def test_columns_of_a_group_are_shuffled_together():
    """Their sum stays right for some question, and the difference of the two stays zero."""
    features = pl.DataFrame({"vectors 1": np.arange(50.0), "vectors 2": np.arange(50.0)})
    apart = lambda rows: (rows["vectors 1"] - rows["vectors 2"]).abs().sum() + np.arange(50.0)  # noqa: E731
    groups = grouped(features.columns, ["vectors"])
    assert groups == {"vectors": ["vectors 1", "vectors 2"]}
    assert permutation_importance(apart, features, np.arange(50.0), groups, 2, 0)["importance"][0] == 0


def test_a_block_is_one_group_and_other_columns_stand_alone():
    assert grouped(["words 1", "words 2", "age"], ["words"]) == {"words": ["words 1", "words 2"], "age": ["age"]}
