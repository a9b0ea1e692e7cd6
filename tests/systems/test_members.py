import json

import pytest

from stackstudy.systems.members import described, found, streams


@pytest.fixture
def runs(tmp_path):
    """A run with one system, one with a folder for each, and a combination of both in a third."""
    for folder in ("13-a/model", "11-b/model/linear", "16-c/model/sum"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "model.json").write_text(json.dumps({"streams": ["title"]}))
        (tmp_path / folder / "model.safetensors").write_bytes(b"numbers")
    return tmp_path


@pytest.mark.parametrize(("run", "system", "folder"), [("13-a", "a", "model"), ("11-b", "linear", "model/linear")])
def test_a_member_is_found_beside_the_combination_wherever_the_runs_are(runs, tmp_path_factory, run, system, folder):
    member = described(runs / run, system)
    assert (member["experiment"], member["system"]) == (run, system)
    assert found(runs / "16-c/model/sum", member) == runs / run / folder
    assert streams(runs / run, system) == ("title",)
    moved = runs.rename(tmp_path_factory.mktemp("moved") / "runs")
    assert found(moved / "16-c/model/sum", member) == moved / run / folder


@pytest.mark.parametrize("file", ["model.json", "model.safetensors", "more.ubj"])
def test_a_changed_member_is_refused(runs, file):
    member = described(runs / "11-b", "linear")
    (runs / "11-b/model/linear" / file).write_text("other")
    with pytest.raises(ValueError, match="linear has changed since sum was made with it"):
        found(runs / "16-c/model/sum", member)


def test_a_member_that_is_gone_is_named(runs):
    member = described(runs / "13-a", "a")
    (runs / "13-a/model").rename(runs / "13-a/kept")
    with pytest.raises(FileNotFoundError, match=r"no model at .*13-a/model, which sum is made of: run 13-a"):
        found(runs / "16-c/model/sum", member)
    with pytest.raises(FileNotFoundError, match=r"no model of a in .*13-a: run that experiment again"):
        described(runs / "13-a", "a")
