"""The appendix: runs with what they took, and values put together as the text shows them."""

import pytest
import yaml

from stackstudy.paper.collect import collect
from stackstudy.paper.origins import Origins, seeds, together


@pytest.fixture
def origins(project):
    project.run("01-a", {"data": {"rows": 3}}, {"sizes": "name\nx\n"}, ("shape",))
    project.run("02-b-neural", {"tags": {"f1": 0.5}})
    collect("toy")
    return Origins.read("toy")


def test_runs_table_has_a_target_and_a_file_of_parameters_for_each_run(project, origins):
    lines = origins.runs_table().splitlines()
    assert lines[0] == "| Run | Notebook | Commit | Seeds | Wall time | Parameters |"
    assert lines[3].startswith(
        "| [02\\-b\\-neural]{#run-02-b-neural} | 02\\-b\\-neural | 0123456 \\+ changes | 0–2 | 1 min 15 s |"
    )
    link = lines[3].rpartition("(")[2].partition(")")[0]
    assert (
        project.root / "report/build/toy" / link
    ).resolve() == project.root / "results/toy/parameters/02-b-neural.yaml"
    assert origins.machines == "Abacus"


def test_settings_stand_beside_those_of_another_profile(project, origins):
    (project.root / "results/toy/parameters/01-questions.yaml").write_text("rows: 4000\nhidden: [64, 32]\n")
    other = {"01-questions": {"parameters": {"rows": 100000, "hidden": [2048, 1024]}}}
    profile = {"description": "Large.", "resources": {"timeout_minutes": 1}, "experiments": other}
    (project.root / "profiles/large.yaml").write_text(yaml.safe_dump(profile))
    assert origins.settings(["01-questions"], ["rows", "hidden"], "large").splitlines() == [
        "| Run | Rows | in `large` | Hidden | in `large` |",
        "| :--- | ---: | ---: | ---: | ---: |",
        "| [01\\-questions](#run-01-questions) | 4,000 | 100,000 | 64 / 32 | 2,048 / 1,024 |",
    ]
    for experiment, name in (("01-questions", "seed"), ("02-b-neural", "rows")):
        with pytest.raises(ValueError, match=f"no parameter {name} of {experiment} here or in profile large"):
            origins.settings([experiment], [name], "large")


def test_figures_and_tables_have_a_maker(origins):
    assert origins.maker("figures", "shape") == "01-a"
    assert origins.maker("tables", "sizes") == "01-a"
    assert origins.maker("tables", "provenance") is None


def test_intervals_and_tests_are_one_value():
    test = {"t.pairs.a_vs_b.f1.difference": 0.02, "t.pairs.a_vs_b.f1.low": -0.01, "t.pairs.a_vs_b.f1.high": 0.05}
    values = {
        "t.a.f1": 0.7124,
        "t.a.f1_low": 0.7,
        "t.a.f1_high": 0.725,
        "t.best": "a_b",
        "t.rows": 12000,
        "t.alone_low": 1.5,
        **test,
        "t.pairs.a_vs_b.f1.p": 0.0004,
    }
    assert together(values) == {
        "t.a.f1": ".712 [.700, .725]",
        "t.best": "a\\_b",
        "t.rows": "12,000",
        "t.alone_low": "1.500",
        "t.pairs.a_vs_b.f1": "+.020 [−.010, .050], p < .001",
    }


@pytest.mark.parametrize(
    ("listed", "shown"), [("0 1 2 3 4", "0–4"), ("0", "0"), ("0 1", "0, 1"), ("1 3 5", "1, 3, 5"), ("", "–")]
)
def test_seeds(listed, shown):
    assert seeds(listed) == shown
