"""Run folders as the paper sees them."""

import json

import pytest

from stackstudy.paper.finished import finished_runs, has_results, has_runs


def test_a_run_knows_where_it_comes_from(project):
    folder = project.run("02-b", {"a": {"b": 1}}, {"sizes": "n\n1\n"}, ("shape",))
    (run,) = finished_runs("toy")
    assert (run.experiment, run.notebook, run.commit, run.key) == ("02-b", "02-b", "0123456 + changes", "key of 02-b")
    assert run.files("figures", (".png",)) == [folder / "figures/shape.png"]
    (folder / "environment.json").write_text(json.dumps({"commit": None, "dirty": None}))
    assert finished_runs("toy")[0].commit == "none"


def test_a_source_is_named_by_its_file_and_content_and_not_by_its_place(project):
    folder = project.run("01-a", {"a": {"b": 1}})
    assert finished_runs("toy")[0].parameters == {"experiment": "01-a", "seeds": [0, 1, 2]}
    (folder / "params.yaml").write_text("source: /home/someone/Posts.xml\nrows: null\n")
    record = {"notebook": "01-a", "components": {"source": "5a17"}}
    (folder / "key.json").write_text(json.dumps(record))
    assert finished_runs("toy")[0].parameters == {"source": "Posts.xml", "rows": None, "source_sha256": "5a17"}


def test_a_run_by_hand_has_no_key_to_tell_its_notebook(project):
    folder = project.run("02-b", {"a": {"b": 1}})
    (folder / "key.json").unlink()
    (folder / "DONE").write_text("by hand\n")
    (run,) = finished_runs("toy")
    assert (run.notebook, run.made_of) == ("02-b (by hand)", None)


def test_what_is_at_hand(project):
    assert (has_runs("toy"), has_results("toy")) == (False, False)
    (project.root / "runs/toy/my-trial").mkdir(parents=True)
    assert not has_runs("toy")
    (project.root / "runs/toy/00-never-run").mkdir()
    assert has_runs("toy")
    with pytest.raises(FileNotFoundError, match="first type `stackstudy run toy`"):
        finished_runs("toy")


def test_done_without_a_key_is_named(project):
    (project.run("02-b", {"a": {"b": 1}}) / "DONE").write_text("\n")
    with pytest.raises(ValueError, match="DONE holds no key; run 02-b again"):
        finished_runs("toy")
