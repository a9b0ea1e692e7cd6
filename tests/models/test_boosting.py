import numpy as np
import polars as pl
import pytest

from stackstudy.models.boosting import Rows, Trees, boost, matrix_of
from stackstudy.models.files import read_model

OPTIONS = {"objective": "reg:squarederror", "max_depth": 3, "learning_rate": 0.2}


def rows(count: int, seed: int) -> Rows:
    random = np.random.default_rng(seed)
    features = random.normal(size=(count, 4)).astype(np.float32)
    return Rows(features, features[:, 1] + 0.5 * random.normal(size=count))


def test_boosting_ends_with_the_best_round_on_validation_rows():
    booster, history = boost(rows(200, 0), rows(100, 1), OPTIONS, 500, 5, 3, "toy")
    assert len(history) < 500
    assert booster.num_boosted_rounds() == history["validation_loss"].arg_min() + 1 == len(history) - 5
    assert history["seed"].unique().to_list() == [3]
    assert history["train_loss"][-1] < history["train_loss"][0]


def test_saved_trees_predict_the_same_from_columns_in_any_order(tmp_path):
    booster, _ = boost(rows(200, 0), rows(100, 1), OPTIONS, 20, 5, 0, "toy")
    trees = Trees(("a", "b", "c", "d"), {0: booster})
    trees.save(tmp_path / "model", {"class": "some"}, {"more": np.arange(3.0)})
    frame = pl.DataFrame(rows(50, 2).features, schema=["a", "b", "c", "d"])
    again = Trees.load(tmp_path / "model").predict(frame.select("d", "b", "a", "c"))
    np.testing.assert_array_equal(again[0], trees.predict(frame)[0])
    assert trees.nodes() > 20
    about, arrays = read_model(tmp_path / "model")
    assert (about["class"], about["seeds"], arrays["more"].tolist()) == ("some", [0], [0, 1, 2])


def test_a_column_that_is_not_there_is_an_error():
    booster, _ = boost(rows(200, 0), rows(100, 1), OPTIONS, 5, 5, 0, "toy")
    with pytest.raises(pl.exceptions.ColumnNotFoundError, match="d"):
        Trees(("a", "b", "c", "d"), {0: booster}).predict(pl.DataFrame({"a": [1.0], "b": [1.0], "c": [1.0]}))


def test_null_is_unknown():
    np.testing.assert_array_equal(matrix_of(pl.DataFrame({"a": [1, None]})), np.array([[1], [np.nan]], np.float32))
