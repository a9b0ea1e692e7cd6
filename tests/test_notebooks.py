"""Every notebook keeps the contract, and every profile resolves before a kernel starts."""

import pytest
from pydantic import ValidationError

from stackstudy import params
from stackstudy.paths import notebooks_dir, profiles_dir
from stackstudy.runs.notebook import check_notebook, read_notebook
from stackstudy.runs.profile import load_profile

NOTEBOOKS = sorted(notebooks_dir().glob("*.ipynb"))
WITHOUT_PAPER = ("audit", "titles")  # profiles that run some of the notebooks
PROFILES = sorted(path.stem for path in profiles_dir().glob("*.yaml"))


def test_every_notebook_has_parameters_and_every_model_a_notebook():
    assert [path.stem for path in NOTEBOOKS] == sorted(params.NOTEBOOKS)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_keeps_the_contract(notebook):
    assert check_notebook(notebook) == []


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_unknown_and_missing_parameters_are_refused(notebook):
    model, values = params.NOTEBOOKS[notebook.stem], read_notebook(notebook).parameters
    with pytest.raises(ValidationError, match="no_such_parameter"):
        model(**values, no_such_parameter=1)
    for name in values:
        with pytest.raises(ValidationError, match=name):
            model(**{key: value for key, value in values.items() if key != name})


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_declares_what_it_leaves(notebook):
    assert params.NOTEBOOKS[notebook.stem].products


@pytest.mark.parametrize("profile", PROFILES)
def test_profile_resolves(profile, tmp_path):
    data = tmp_path / "questions.parquet"
    data.touch()
    notebooks = {experiment.notebook.stem for experiment in load_profile(profile, data).experiments.values()}
    if profile in WITHOUT_PAPER:
        assert notebooks < set(params.NOTEBOOKS)
    else:
        assert notebooks == set(params.NOTEBOOKS)


@pytest.mark.parametrize("profile", ["reference", "paper", "titles"])
def test_profiles_of_real_questions_ask_for_data(profile):
    with pytest.raises(ValueError, match="DATA"):
        load_profile(profile)
