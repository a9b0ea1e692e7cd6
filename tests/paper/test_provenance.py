"""What goes with the results: where each run comes from, and whether it is still of this code."""

import csv
import hashlib
import json
import shutil
from pathlib import Path

import pytest
import yaml

import stackstudy
from stackstudy.paper.collect import collect
from stackstudy.paper.provenance import outdated
from stackstudy.runs import key as keys
from stackstudy.runs.profile import load_profile

CHECKOUT = Path(__file__).parents[2]


def rows(project):
    with (project.root / "results/toy/provenance.csv").open() as lines:
        return list(csv.DictReader(lines))


def test_table_has_a_row_per_run(project):
    project.run("01-a", {"data": {"rows": 12}}, {"sizes": "n\n1\n", "more": "n\n2\n"}, ("shape",))
    single = project.run("02-b", {"tags": {"f1": 0.5}})
    (single / "params.yaml").write_text("seed: 7\n")
    collect("toy")
    first, second = rows(project)
    parameters = (project.root / "results/toy/parameters/01-a.yaml").read_bytes()
    assert first == {
        "experiment": "01-a",
        "notebook": "01-a",
        "commit": "0123456 + changes",
        "seeds": "0 1 2",
        "seconds": "75.2",
        "machine": "Abacus",
        "parameters": hashlib.sha256(parameters).hexdigest()[:12],
        "tables": "more sizes",
        "figures": "shape",
    }
    assert (second["seeds"], second["tables"]) == ("7", "")


def test_trainings_that_were_taken_up_count_as_wall_time(project):
    folder = project.run("01-a", {"data": {"rows": 12}})
    (folder / "cost.json").write_text(json.dumps({"x": {"seconds": 400.004}, "y": {"seconds": 20.0}}))
    collect("toy")
    assert rows(project)[0]["seconds"] == "420.0"


def test_parameters_and_keys_of_all_runs_are_kept_without_a_path_of_this_machine(project):
    folder = project.run("01-a", {"data": {"rows": 12}})
    (folder / "params.yaml").write_text(f"source: {project.root}/Posts.xml\n")
    components = {"source": "5a17", "parameters": {"source": "Posts.xml"}}
    record = {"key": "key of 01-a", "notebook": "01-a", "components": components}
    (folder / "key.json").write_text(json.dumps(record))
    by_hand = project.run("02-b", {"tags": {"f1": 0.5}})
    (by_hand / "key.json").unlink()
    (by_hand / "DONE").write_text("by hand\n")
    collect("toy")
    results = project.root / "results/toy"
    assert yaml.safe_load((results / "parameters/01-a.yaml").read_text()) == {
        "source": "Posts.xml",
        "source_sha256": "5a17",
    }
    assert json.loads((results / "keys.json").read_text()) == {"01-a": record, "02-b": {"key": "by hand"}}
    assert not [path for path in results.rglob("*.*") if str(project.root) in path.read_text()]


class Checkout:
    """A copy of this checkout with collected keys of all experiments of the profile `reference`, and no runs."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.package = root, root / "stackstudy"
        monkeypatch.setenv("STACKSTUDY_ROOT", str(root))
        for name in ("notebooks", "profiles"):
            shutil.copytree(CHECKOUT / name, root / name)
        shutil.copy(CHECKOUT / "requirements.txt", root)
        shutil.copytree(Path(stackstudy.__file__).parent, self.package, ignore=shutil.ignore_patterns("__pycache__"))
        modules = keys.Modules
        monkeypatch.setattr(keys, "Modules", lambda: modules(self.package))
        data = root / "questions.parquet"
        data.write_text("questions")
        found = keys.keys_of(load_profile("reference", data).experiments)
        data.unlink()
        self.recorded = {name: key.content() for name, key in found.items()}
        self.save()

    def save(self) -> None:
        path = self.root / "results/reference/keys.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.recorded))

    def edit(self, name: str, old: str, new: str) -> None:
        content = (self.root / name).read_text()
        assert old in content
        (self.root / name).write_text(content.replace(old, new, 1))


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    return Checkout(tmp_path, monkeypatch)


def test_results_of_this_code_are_not_outdated(checkout):
    assert set(outdated("reference")) == set(checkout.recorded)
    assert not any(outdated("reference").values())


def test_a_changed_module_is_named_with_all_that_depends_on_it(checkout):
    checkout.edit("stackstudy/evaluation/score_classes.py", "def ", "X = 1\n\n\ndef ")
    found = outdated("reference")
    assert found["23-scores-beyond"] == ["module stackstudy.evaluation.score_classes changed"]
    assert "upstream 23-scores-beyond changed" in found["29-scores-comparison"]
    assert found["02-embeddings"] == []


def test_a_changed_parameter_pin_or_notebook_is_named(checkout):
    checkout.edit("profiles/reference.yaml", "minimum_count: 20", "minimum_count: 30")
    assert outdated("reference")["03-tag-centroids"] == ["parameter minimum_count 20 -> 30"]
    checkout.edit("requirements.txt", "numpy==", "numpy==9")
    assert any(reason.startswith("pin numpy") for reason in outdated("reference")["01-questions"])
    checkout.edit("notebooks/02-embeddings.ipynb", "runs.start(p)", "runs.start( p)")
    assert "notebook changed" in outdated("reference")["02-embeddings"]


def test_an_experiment_without_a_result_or_without_a_profile_is_named(checkout):
    del checkout.recorded["11-tags-baselines"]
    checkout.recorded["01-questions"] = checkout.recorded["12-tags-xgboost"] = {"key": "by hand"}
    checkout.recorded["13-tags-neural"]["key"] = "0"
    checkout.recorded["99-gone"] = {"key": "by hand"}
    checkout.save()
    found = outdated("reference")
    assert found["11-tags-baselines"] == ["has no results"]
    assert found["01-questions"] == found["12-tags-xgboost"] == ["was run by hand"]
    assert found["13-tags-neural"] == ["key is not that of its components"]
    assert found["99-gone"] == ["is no experiment of the profile"]
