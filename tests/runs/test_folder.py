"""The run folder as a notebook uses it."""

import json
import os

import matplotlib

matplotlib.use("agg")
import numpy as np
import polars as pl
import pytest
import toy
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from stackstudy import runs
from stackstudy.runs import progress
from stackstudy.runs.folder import mark_done
from stackstudy.runs.products import merged


def first(**values):
    return toy.First(**{"profile": "toy", "experiment": "01-first", "source": "planted", "amount": 3, "trouble": ""})


def second():
    return toy.Second(profile="toy", experiment="02-double", factor=2, trouble="")


@pytest.fixture(autouse=True)
def _no_recording():
    yield
    progress.record_in(None)


class Predicted:
    system = "body-mlp"

    def save(self, path):
        path.write_text("predicted")


def drawing():
    figure = Figure()
    figure.subplots().plot([0, 1], [1, 0], label="line")
    return figure


def test_a_cache_outlives_the_run(project):
    (runs.start(first()).cache() / "vectors.npy").touch()
    again = runs.start(first())
    assert (again.cache() / "vectors.npy").exists()
    assert not list(again.folder.glob("*.npy"))


def test_by_hand_writes_products_and_is_done_at_the_end(project):
    run = runs.start(first())
    assert run.folder == project.run_folder("01-first")
    run.metrics({"tags": {"mlp": {"f1": np.float64(0.5), "n": 3}}})
    run.metrics({"tags": {"mlp": {"f1": 0.25}, "name": "x"}})
    assert json.loads((run.folder / "metrics.json").read_text()) == {"tags": {"mlp": {"f1": 0.25, "n": 3}, "name": "x"}}
    run.table(pl.DataFrame({"a": [1]}), "small")
    run.history(pl.DataFrame({"epoch": [1], "loss": [0.5]}))
    run.predictions(Predicted())
    run.figure(drawing(), "line")
    assert (run.folder / "tables" / "small.csv").read_text() == "a\n1\n"
    assert (run.folder / "history.csv").exists()
    assert (run.folder / "predictions" / "body-mlp.npz").exists()
    with pytest.raises(ValueError, match=r"runs/toy/01-first lacks numbers\.txt"):
        run.finish()
    assert not (run.folder / "DONE").exists()
    (run.folder / "numbers.txt").touch()
    run.finish()
    assert (run.folder / "DONE").read_text() == "by hand\n"
    about = json.loads((run.folder / "environment.json").read_text())
    assert about["versions"]["numpy"] == np.__version__
    assert about["peak_memory_mb"] > 20

    again = runs.start(first())
    assert sorted(path.name for path in again.folder.iterdir()) == ["params.yaml"]


def test_in_the_runner_the_folder_stays_and_done_is_not_the_notebooks(project, tmp_path, monkeypatch):
    folder = tmp_path / "somewhere"
    folder.mkdir()
    (folder / "numbers.txt").touch()
    (folder / "params.yaml").touch()
    monkeypatch.setenv("STACKSTUDY_RUN_DIR", str(folder))
    run = runs.start(first())
    run.metrics({"a": 1})
    run.finish()
    assert not (folder / "DONE").exists()


def test_figures_have_the_same_bytes_each_time(project):
    run = runs.start(first())
    contents = []
    for _ in range(2):
        run.figure(drawing(), "line")
        contents.append([(run.folder / "figures" / f"line.{kind}").read_bytes() for kind in ("png", "svg")])
    assert contents[0] == contents[1]
    assert b"Matplotlib" not in contents[0][0]
    assert b"<dc:date>" not in contents[0][1]


def test_inputs_are_done_and_declared(project, monkeypatch):
    done = project.run_folder("01-first")
    mark_done(done, "key")
    run = runs.start(second())
    assert run.input("01-first") == done
    assert run.inputs("09-*") == []
    with pytest.raises(ValueError, match="one experiment like 09-none expected, found none"):
        run.input("09-none")
    with pytest.raises(ValueError, match="03-third: declare it in `needs` of the parameters Second"):
        run.inputs("0[13]-*")
    (done / "DONE").unlink()
    monkeypatch.setenv("STACKSTUDY_RUN_DIR", str(run.folder))
    with pytest.raises(ValueError, match="01-first of profile toy not done"):
        runs.start(second()).input("01-first")


def test_by_hand_a_missing_input_is_run_first(project, capsys):
    folder = runs.start(second()).input("01-first")
    assert (folder / "numbers.txt").read_text() == "3"
    assert (folder / "DONE").exists()
    assert capsys.readouterr().out == ""  # nobody watches: nothing for a stored output


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), np.float32("nan"), None, [1], np.ones(2)])
def test_a_metric_that_is_no_finite_number_is_named(bad):
    with pytest.raises(ValueError, match=r"metric tags\.mlp\.f1"):
        merged({}, {"tags": {"mlp": {"f1": bad}}})


leaves = st.integers() | st.text() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)
trees = st.recursive(leaves, lambda below: st.dictionaries(st.text(), below, max_size=3), max_leaves=8)
nested = st.dictionaries(st.text(), trees, max_size=4)


@given(old=nested, new=nested)
def test_merging_keeps_the_new_and_is_idempotent(old, new):
    once = merged(old, new)
    assert merged(once, new) == once
    assert once.keys() == old.keys() | new.keys()
    assert merged({}, new) == new


def test_environment_of_an_archive_without_git_has_no_commit(project):
    from stackstudy.runs.environment import describe_environment

    about = describe_environment(1.5)
    assert (about["commit"], about["dirty"], about["wall_seconds"]) == (None, None, 1.5)
    assert about["threads"] == int(os.environ["OMP_NUM_THREADS"])
