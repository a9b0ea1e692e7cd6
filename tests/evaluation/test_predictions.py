import numpy as np
import pytest

from stackstudy.evaluation import predictions
from stackstudy.evaluation.predictions import Predictions, load_all


def tags(**changes) -> Predictions:
    values = np.linspace(0, 1, 24, dtype=np.float32).reshape(2, 3, 4)
    fields = {"system": "body-mlp", "kind": "tags", "row_hash": "abc", "rows": [3, 5, 9], "seeds": [0, 1]}
    return Predictions(**fields | {"values": values, "parameters": {"hidden": [8]}} | changes)


def test_saved_predictions_come_back_the_same(tmp_path):
    before = tags()
    before.save(tmp_path / "a.npz")
    after = Predictions.load(tmp_path / "a.npz")
    assert (after.system, after.kind, after.row_hash, after.parameters) == ("body-mlp", "tags", "abc", {"hidden": [8]})
    for name in ("rows", "seeds", "values"):
        assert getattr(after, name).dtype == getattr(before, name).dtype
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))


def test_same_predictions_give_the_same_bytes(tmp_path):
    for name in ("a.npz", "b.npz"):
        tags().save(tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_values_are_found_by_row():
    np.testing.assert_array_equal(tags().at(np.array([9, 3])), tags().values[:, [2, 0]])


@pytest.mark.parametrize("row", [0, 4, 10])
def test_a_row_without_prediction_is_named(row):
    with pytest.raises(ValueError, match=f"body-mlp: no prediction for row {row}"):
        tags().at(np.array([3, row]))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"kind": "tag"}, "kind must be tags or scores"),
        ({"kind": "scores"}, r"shape \(2 seeds, 3 rows\), found \(2, 3, 4\)"),
        ({"seeds": [0]}, r"shape \(1 seeds, 3 rows, labels\), found \(2, 3, 4\)"),
        ({"seeds": [4, 4]}, "a seed occurs twice"),
        ({"rows": [3, 3, 9]}, "ascending order"),
        ({"rows": [-1, 3, 9]}, "positions"),
        ({"values": np.zeros((2, 3, 0))}, "shape"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(changes, complaint):
    with pytest.raises(ValueError, match=f"predictions of body-mlp: .*{complaint}"):
        tags(**changes)


@pytest.mark.parametrize(("value", "rule"), [(np.nan, "missing or infinite"), (1.5, "not a probability")])
def test_a_bad_value_is_named_with_row_and_seed(value, rule):
    values = tags().values.copy()
    values[1, 2, 0] = value
    with pytest.raises(ValueError, match=rf"body-mlp: row 9, seed 1: {value} is {rule}.*\(1 such values\)"):
        tags(values=values)


def test_a_bad_score_is_named_with_row_and_seed():
    with pytest.raises(ValueError, match="mean: row 5, seed 0: inf is missing or infinite"):
        Predictions("mean", "scores", "abc", [3, 5], [0], [[1.0, np.inf]])


def test_loading_what_is_not_there_or_not_predictions_names_the_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.npz"):
        Predictions.load(tmp_path / "gone.npz")
    (tmp_path / "text.npz").write_text("hello")
    np.savez(tmp_path / "other.npz", x=1)
    tags().save(tmp_path / "cut.npz")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "cut.npz").read_bytes()[:300])
    for name in ("text", "other", "cut"):
        with pytest.raises(ValueError, match=rf"{name}\.npz does not hold predictions"):
            Predictions.load(tmp_path / f"{name}.npz")


def test_all_predictions_of_run_folders_are_found(tmp_path):
    for folder, system in (("b", "one"), ("a", "two"), ("a", "three")):
        tags(system=system).save(tmp_path / folder / "predictions" / f"{system}.npz")
    assert [each.system for each in load_all([tmp_path / "b", tmp_path / "a"])] == ["one", "three", "two"]
    with pytest.raises(FileNotFoundError, match="run a system first"):
        load_all([tmp_path / "c"])


@pytest.mark.parametrize(
    ("names", "kind", "hashed", "complaint"),
    [
        (["a", "a"], "tags", "abc", "two predictions are called a"),
        (["a"], "scores", "abc", "predictions of a are tags, expected scores"),
        (["a", "b"], "tags", "other", "predictions of a were made for another question table"),
    ],
)
def test_only_predictions_of_one_kind_and_table_are_comparable(names, kind, hashed, complaint, monkeypatch):
    monkeypatch.setattr(predictions, "row_hash", lambda questions: hashed)
    with pytest.raises(ValueError, match=complaint):
        predictions.check_comparable([tags(system=name) for name in names], kind, None)


def test_comparable_predictions_pass(monkeypatch):
    monkeypatch.setattr(predictions, "row_hash", lambda questions: "abc")
    predictions.check_comparable([tags(), tags(system="b")], "tags", None)
