"""Chapters: values from finished runs, or an error with chapter, line and name."""

import shutil

import pytest

from stackstudy.paper.collect import collect
from stackstudy.paper.values import Chapters


@pytest.fixture
def chapters(project):
    project.run(
        "01-a",
        {
            "data": {"rows": 12000, "corpus": "planted"},
            "tags": {"mlp": {"f1": 0.7124, "f1_low": 0.7, "f1_high": 0.725}},
        },
        {"sizes": "name,size\nc++,1\n"},
        ("shape", "other"),
    )
    tests = {"f1": {"difference": -0.1, "low": -0.12, "high": -0.08, "p": 0.002}}
    tests |= {"rmse": {"difference": -3.0, "low": -5.0, "high": -1.0, "p": 0.0004}}
    tests |= {"micro": {"difference": 0.001, "low": -0.02, "high": 0.03, "p": 0.6}}
    project.run("02-b", {"tests": {"pairs": {"tf_idf_vs_mlp": tests}}})
    project.chapter("99-figures.md", "{{ figure('shape') }} {{ figure('other') }}")
    collect("toy")

    def render(text, **extra):
        return Chapters("toy", **extra).render(project.chapter("01-x.md", text))

    return render


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("{{ data.rows | thousands }} in {{ profile }}", "12,000 in toy"),
        ("{{ tags.mlp.f1 | f(2) }} {{ tags['mlp'].f1 | percent }}", ".71 71%"),
        ("{{ interval(tags.mlp, 'f1') }}", ".712 [.700, .725]"),
        ("{% if data.corpus == 'planted' %}made{% else %}found{% endif %}", "made"),
        ("{% if 'cnn' in tags %}a CNN{% else %}no CNN{% endif %}", "no CNN"),
        ("a {{ '{{' }} {#fig:x} $x_{#1}$ {=# a remark #=}z", "a {{ {#fig:x} $x_{#1}$ z"),
        ("![A]({{ figure('shape') }}){#fig:a}", '![A](figures/toy/shape "01-a"){#fig:a}'),
        ("{{ table('sizes') }}", "<!-- run: 01-a -->\n\n| Name | Size |\n| :--- | ---: |\n| c\\+\\+ | 1 |"),
        ("{{ table('provenance', columns=['experiment'], rows=1) }}", "| Experiment |\n| :--- |\n| 01\\-a |"),
    ],
)
def test_chapter_reads(chapters, source, shown):
    assert chapters(source) == shown


def test_a_table_of_another_profile_names_it(project, chapters):
    chapters("")
    shutil.copytree(project.root / "results" / "toy", project.root / "results" / "other")
    shown = chapters("{% if has_results('other') %}{{ table('sizes', ['size'], profile='other') }}{% endif %}")
    assert shown == "<!-- run: 01-a of profile other -->\n\n| Size |\n| ---: |\n| 1 |"
    assert chapters("{{ has_results('none') }}") == "False"


def test_values_are_remembered_by_chapter_and_listed_with_their_runs(project, chapters):
    chapters("")
    paper = Chapters("toy")
    first = project.chapter("01-x.md", "# X {#sec:x}\n{{ interval(tags.mlp, 'f1') }} {{ data.rows }} {{ data.rows }}")
    last = project.chapter("02-y.md", "# Y\n{{ verdict('mlp', 'tf-idf', 'f1') }}\n\n{{ numbers_by_run() }}")
    paper.render(first)
    assert paper.used == {
        "[@sec:x]": dict.fromkeys(["tags.mlp.f1_low", "tags.mlp.f1", "tags.mlp.f1_high", "data.rows"])
    }
    listed = paper.render(last).partition("\n\n")[2].splitlines()
    assert listed == [
        "[@sec:x]",
        "",
        "- [01\\-a](#run-01-a): `tags.mlp.f1` .712 [.700, .725]; `data.rows` 12,000",
        "",
        "Y",
        "",
        "- [02\\-b](#run-02-b): `tests.pairs.tf_idf_vs_mlp.f1` −.100 [−.120, −.080], p = .002",
    ]
    with pytest.raises(ValueError, match=r"data\.corpus is used after the list of all values"):
        paper.render(project.chapter("03-z.md", "{{ data.corpus }}"))


def test_further_names(chapters):
    assert chapters("{{ commit }}", commit="abc") == "abc"


@pytest.mark.parametrize(
    ("pair", "metric", "shown"),
    [
        (("tf-idf", "mlp"), "f1", "tf-idf is behind mlp by F1 (difference −.100 [−.120, −.080], p = .002)"),
        (("mlp", "tf-idf"), "f1", "mlp is ahead of tf-idf by F1 (difference +.100 [.080, .120], p = .002)"),
        (("tf-idf", "mlp"), "rmse", "tf-idf is ahead of mlp by RMSE (difference −3.000 [−5.000, −1.000], p < .001)"),
        (
            ("tf-idf", "mlp"),
            "micro",
            "tf-idf and mlp cannot be told apart by Micro (difference +.001 [−.020, .030], p = .600)",
        ),
    ],
)
def test_verdict_comes_from_the_paired_test(chapters, pair, metric, shown):
    assert chapters(f"{{{{ verdict({pair[0]!r}, {pair[1]!r}, {metric!r}) }}}}") == shown


def test_paired_tests_stand_in_a_table_that_names_their_run(chapters):
    rows = [("Words", "tf-idf", "mlp", "f1"), ("", "mlp", "tf-idf", "rmse"), ("", "tf-idf", "mlp", "micro")]
    assert chapters(f"{{{{ tests({rows!r}) }}}}").splitlines() == [
        "<!-- run: 02-b -->",
        "",
        "| Question | First | Second | By | Difference | p | First is |",
        "| :--- | :--- | :--- | :--- | ---: | ---: | :--- |",
        "| Words | tf-idf | mlp | F1 | −.100 [−.120, −.080] | .002 | behind |",
        "|  | mlp | tf-idf | RMSE | +3.000 [1.000, 5.000] | < .001 | behind |",
        "|  | tf-idf | mlp | Micro | +.001 [−.020, .030] | .600 | level |",
    ]


def test_systems_of_two_tasks_may_share_names(project):
    test = {"difference": 0.1, "low": 0.05, "high": 0.2, "p": 0.01}
    tests = {"inner": {"r2": test | {"p": 0.9}}, "scores": {"r2": test}, "tags": {"f1": test}}
    project.run("02-b", {task: {"pairs": {"mlp_vs_cnn": each}} for task, each in tests.items()})
    collect("toy")

    def shown(call):
        return Chapters("toy").render(project.chapter("01-x.md", f"{{{{ verdict({call}) }}}}"))

    assert "by F1" in shown("'mlp', 'cnn', 'f1'")
    assert "ahead of cnn by R²" in shown("'mlp', 'cnn', 'r2', 'scores'")
    assert "cannot be told apart" in shown("'mlp', 'cnn', 'r2', 'inner'")
    with pytest.raises(ValueError, match="no paired test of mlp and cnn by r2"):
        shown("'mlp', 'cnn', 'r2', 'tags'")


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("{{ tags.mlp.f2 | f(3) }}", r"no value tags\.mlp\.f2; there are: f1, f1_high, f1_low"),
        ("{{ tags.cnn.f1 | f(3) }}", r"no value tags\.cnn; there are: mlp"),
        ("{{ cnn.f1 }}", "'cnn' is undefined"),
        ("{{ tags.mlp }}", "tags.mlp is not a value, it holds: f1"),
        ("{{ data.corpus | f(3) }}", "expected a number, found 'planted'"),
        ("{{ figure('form') }}", r"no figure form.png and form.svg; there are: other, shape"),
        ("{{ figure('shape') }} {{ figure('shape') }}", "figure shape is used a second time"),
        ("{{ table('form') }}", "no table form; there are: provenance, sizes"),
        ("{{ interval(tags.mlp, 'f3') }}", r"no value tags\.mlp\.f3_low"),
        ("{{ verdict('mlp', 'cnn', 'f1') }}", "no paired test of mlp and cnn"),
        ("{{ tests([('', 'mlp', 'cnn', 'f1')]) }}", "no paired test of mlp and cnn"),
        ("{{ data.rows | round_up }}", "No filter named 'round_up'"),
        ("{{ data.rows ", "unexpected end of template"),
    ],
)
def test_error_names_chapter_line_and_name(chapters, source, why):
    with pytest.raises(ValueError, match=rf"01-x\.md, line 3: .*{why}"):
        chapters(f"# Title\n\n{source}")


def test_value_of_an_unfinished_run_is_stale(project, chapters):
    (project.root / "runs/toy/01-a/DONE").unlink()
    with pytest.raises(
        ValueError, match=r"line 1: tags\.mlp\.f1 is stale: run 01-a is not done; type `stackstudy run toy`"
    ):
        chapters("{{ tags.mlp.f1 | f(3) }}")


def test_value_of_a_run_done_again_is_stale(project, chapters):
    (project.root / "runs/toy/01-a/DONE").write_text("another key\n")
    with pytest.raises(ValueError, match="run 01-a was done again and not collected"):
        chapters("{{ data.rows }}")
    collect("toy")
    assert chapters("{{ data.rows }}") == "12000"


def test_committed_results_need_no_runs(project, chapters):
    (project.root / "runs").rename(project.root / "gone")
    assert chapters("{{ data.rows }}") == "12000"


def test_value_that_also_holds_values_is_an_error(project, chapters):
    project.run("03-c", {"data": {"rows": {"train": 1}}})
    collect("toy")
    with pytest.raises(ValueError, match=r"data\.rows is a value and also holds values \(data\.rows\.train\)"):
        chapters("{{ data.rows }}")


def test_no_results_says_what_to_do(project):
    with pytest.raises(FileNotFoundError, match="stackstudy run toy"):
        Chapters("toy")
