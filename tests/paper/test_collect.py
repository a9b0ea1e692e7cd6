"""Collecting: what finished runs made, no more and no less, each leaf with its origin."""

import json
import re

import pytest

from stackstudy.paper.collect import collect


@pytest.fixture
def two_runs(project):
    project.run("01-a", {"data": {"rows": 12, "kind": "planted"}}, {"sizes": "name,size\nx,1\n"}, ("shape",))
    project.run("02-b", {"tags": {"mlp": {"f1": 0.5}}}, figures=("course",))
    project.chapter("01-x.md", "![Shape.]({{ figure('shape') }}){#fig:shape}")
    return project


def numbers(project):
    return json.loads((project.root / "results/toy/numbers.json").read_text())


def test_leaves_carry_value_and_experiment(two_runs):
    collect("toy")
    assert numbers(two_runs) == {
        "data.rows": {"value": 12, "experiment": "01-a"},
        "data.kind": {"value": "planted", "experiment": "01-a"},
        "tags.mlp.f1": {"value": 0.5, "experiment": "02-b"},
    }


def test_tables_and_the_figures_of_the_report_are_copied(two_runs):
    collect("toy")
    assert (two_runs.root / "results/toy/tables/sizes.csv").read_text() == "name,size\nx,1\n"
    assert sorted(path.name for path in (two_runs.root / "figures/toy").iterdir()) == ["shape.png", "shape.svg"]
    (two_runs.root / "report/readme.md").write_text('![Course]({{ figure("course") }})')
    collect("toy")
    assert (two_runs.root / "figures/toy/course.png").exists()


def test_a_run_that_is_gone_is_an_error_that_names_its_numbers_and_changes_nothing(two_runs):
    two_runs.run("03-c", {"many": {f"n{number:02}": number for number in range(30)}})
    collect("toy")
    before = {path: path.read_bytes() for path in two_runs.root.glob("results/toy/**/*.*")}
    for name in ("01-a", "03-c"):
        (two_runs.root / "runs/toy" / name / "DONE").unlink()
    named = ["data.kind", "data.rows", *(f"many.n{number:02}" for number in range(8))]
    expected = (
        f"no finished run of 01-a, 03-c in {two_runs.root / 'runs/toy'}, and with it 32 numbers of results/toy are"
    )
    expected += f" gone: {', '.join(named)} and 22 more; type `stackstudy run toy` to make them again"
    with pytest.raises(ValueError, match=re.escape(expected)):
        collect("toy")
    assert {path: path.read_bytes() for path in two_runs.root.glob("results/toy/**/*.*")} == before


def test_an_experiment_that_left_the_profile_takes_its_values_along(two_runs):
    collect("toy")
    del two_runs.experiments["01-a"]
    two_runs.run("02-b", {"tags": {"mlp": {"f1": 0.5}}})
    collect("toy")
    assert list(numbers(two_runs)) == ["tags.mlp.f1"]
    assert not (two_runs.root / "results/toy/tables/sizes.csv").exists()
    assert not (two_runs.root / "figures/toy/shape.png").exists()


def test_folders_that_are_no_experiments_of_the_profile_do_not_count(two_runs):
    trial = two_runs.run("my-trial", {"tags": {"mlp": {"f1": 0.9}}})
    del two_runs.experiments[trial.name]
    two_runs.run("02-b", {"tags": {"mlp": {"f1": 0.5}}})
    collect("toy")
    assert numbers(two_runs)["tags.mlp.f1"]["value"] == 0.5


def test_unchanged_files_are_not_written_again(two_runs):
    collect("toy")
    made = {path: path.stat().st_mtime_ns for path in two_runs.root.glob("results/toy/**/*") if path.is_file()}
    (two_runs.root / "runs/toy/01-a/tables/sizes.csv").write_text("name,size\nx,2\n")
    collect("toy")
    again = {path.name for path, time in made.items() if path.stat().st_mtime_ns != time}
    assert again == {"sizes.csv"}


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ({"metrics": {"data": {"rows": 3}}}, r"value data\.rows"),
        ({"metrics": {}, "tables": {"sizes": "a\n1\n"}}, r"tables/sizes\.csv"),
    ],
)
def test_two_runs_giving_the_same_thing_are_named(two_runs, content, what):
    two_runs.run("03-c", **content)
    with pytest.raises(ValueError, match=rf"{what} comes from two runs: 01-a and 03-c"):
        collect("toy")


def test_metric_without_a_name_above_it_is_an_error(two_runs):
    two_runs.run("03-c", {"epochs": 3})
    with pytest.raises(ValueError, match=r"03-c/metrics\.json: epochs stands alone"):
        collect("toy")


def test_list_among_the_metrics_is_named(two_runs):
    two_runs.run("03-c", {"a": {"b": [1, 2]}})
    with pytest.raises(ValueError, match=r"03-c/metrics.json: a\.b is \[1, 2\]"):
        collect("toy")


def test_broken_metrics_name_file_and_line(two_runs):
    (two_runs.root / "runs/toy/02-b/metrics.json").write_text('{"a": 1,\n oops}')
    with pytest.raises(ValueError, match=r"02-b/metrics.json, line 2: not JSON"):
        collect("toy")


def test_nothing_finished_says_what_to_do_and_removes_nothing(project):
    kept = project.root / "results/toy/numbers.json"
    kept.parent.mkdir(parents=True)
    kept.write_text("{}")
    with pytest.raises(FileNotFoundError, match="stackstudy run toy"):
        collect("toy")
    assert kept.exists()
