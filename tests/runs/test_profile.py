"""Profiles: what is resolved, and every mistake is told before a kernel starts."""

import pytest

from stackstudy.runs.profile import asks_for_data, load_profile, read_profile


def test_parameters_are_the_notebooks_overlaid_by_defaults_and_experiment(project):
    project.profile(
        defaults={"factor": 4, "amount": 8},
        experiments={"01-first": {"parameters": {"amount": 9}}, "02-x": {"notebook": "02-second"}},
    )
    experiments = load_profile("toy").experiments
    assert experiments["01-first"].parameters.amount == 9
    assert experiments["02-x"].parameters.factor == 4
    assert experiments["02-x"].parameters.trouble == ""
    assert (experiments["02-x"].parameters.profile, experiments["02-x"].parameters.experiment) == ("toy", "02-x")
    assert experiments["02-x"].folder == project.run_folder("02-x")


def test_order_follows_needs_and_patterns_take_all_that_match(project):
    project.profile(
        experiments={"03-third": {}, "02-b": {"notebook": "02-second"}, "02-second": {}, "01-first": {}},
    )
    experiments = load_profile("toy").experiments
    assert list(experiments) == ["01-first", "02-b", "02-second", "03-third"]
    assert experiments["03-third"].upstream == ("02-b", "02-second")
    assert read_profile("toy").matching("02-*") == ["02-b", "02-second"]


def test_an_experiment_is_found_by_its_own_name_or_by_its_notebook(project):
    """What a run is for is in its name: a network of the audit is none of those that are compared."""
    project.profile(experiments={"01-first": {}, "02-second": {}, "09-other": {"notebook": "02-second"}})
    profile = read_profile("toy")
    assert profile.matching("02-*") == ["02-second"]
    assert profile.matching("09-*") == ["09-other"]
    assert profile.matching("02-second") == ["02-second", "09-other"]


def test_what_a_profile_leaves_open_is_as_in_its_base(project):
    first, second = {"slots": 1, "parameters": {"amount": 9, "trouble": "x"}}, {"notebook": "02-second"}
    project.profile(
        defaults={"factor": 4, "amount": 8}, experiments={"01-first": first, "02-x": second, "03-third": {}}
    )
    project.profile(
        "other",
        base="toy",
        defaults={"factor": 5},
        experiments={"01-first": {}, "02-x": {"parameters": {"trouble": "y"}}},
    )
    experiments = load_profile("other").experiments
    assert list(experiments) == ["01-first", "02-x"]
    assert (experiments["01-first"].parameters.amount, experiments["02-x"].notebook.stem) == (9, "02-second")
    assert (experiments["02-x"].parameters.factor, experiments["02-x"].parameters.trouble) == (5, "y")
    project.profile("third", base="other")
    with pytest.raises(ValueError, match="profile third: base other has a base itself"):
        load_profile("third")
    project.profile("fourth", base="fourth")
    with pytest.raises(ValueError, match="profile fourth: base fourth has a base itself"):
        load_profile("fourth")


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"experiments": {"01-first": {"parameters": {"amont": 1}}}}, "experiment 01-first: amont: Extra inputs"),
        ({"experiments": {"01-first": {"parameters": {"amount": "x"}}}}, "experiment 01-first: amount: Input should"),
        ({"experiments": {"01-first": {"parameters": {"amount": 0}}}}, "experiment 01-first: amount: Input should"),
        ({"experiments": {"01-first": {"slots": 2}}}, "experiment 01-first: takes 2 slots, there are 1"),
        ({"experiments": {"09-none": {}}}, "experiment 09-none: no notebook 09-none; there are 01-first"),
        ({"experiments": {"02-second": {}}}, "experiment 02-second: needs 01-first, which is not in the profile"),
        ({"experiments": {}}, "profile toy: experiments: Dictionary should have at least 1 item"),
        ({"defaults": {"colour": 1}}, "profile toy, defaults: no notebook has a parameter colour"),
        ({"resources": {"slots": 0, "timeout_minutes": 1}}, "profile toy: resources.slots: Input should"),
        ({"resource": {}}, "profile toy: resource: Extra inputs"),
        ({"experiments": {"01-first": {"parameters": {"source": "DATA"}}}}, "--data PATH"),
    ],
)
def test_mistakes_name_profile_experiment_and_field(project, sections, message):
    project.profile(**sections)
    with pytest.raises(ValueError, match="profile toy") as caught:
        load_profile("toy")
    assert message in str(caught.value)


def test_missing_parameter_profile_and_notebook_are_errors(project):
    path = project.notebook("01-first")
    path.write_text(path.read_text().replace("amount = 3", "number = 3"))
    with pytest.raises(ValueError, match="experiment 01-first: amount: Field required; number: Extra inputs"):
        load_profile("toy")
    with pytest.raises(FileNotFoundError, match="no profile tiny: the profiles are toy"):
        load_profile("tiny")
    path.unlink()
    with pytest.raises(FileNotFoundError, match="no notebook"):
        load_profile("toy")


def test_data_becomes_the_source_and_must_exist(project, tmp_path):
    project.profile(experiments={"01-first": {"parameters": {"source": "DATA"}}})
    data = tmp_path / "questions.csv"
    with pytest.raises(FileNotFoundError, match=r"source .*questions\.csv does not exist"):
        load_profile("toy", data)
    data.touch()
    assert load_profile("toy", data).experiments["01-first"].parameters.source == str(data)


def test_a_profile_of_given_questions_is_known_as_such(project):
    assert not asks_for_data("toy")
    project.profile(experiments={"01-first": {"parameters": {"source": "DATA"}}})
    assert asks_for_data("toy")


def test_broken_yaml_is_an_error(project):
    (project.root / "profiles" / "toy.yaml").write_text("a: [1")
    with pytest.raises(ValueError, match="profile toy is not YAML"):
        load_profile("toy")
