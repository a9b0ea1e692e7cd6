"""Notebooks read without running them, and the contract that they keep."""

import json

import pytest

from stackstudy.runs.notebook import check_notebook, python_of, read_notebook


def edited(path, edit):
    content = json.loads(path.read_text())
    edit(content["cells"])
    path.write_text(json.dumps(content))
    return path


def test_reads_values_and_code_apart(project):
    notebook = read_notebook(project.notebook("03-third", extra="%matplotlib inline\n1 + 1", seeds=(3, -4)))
    assert notebook.parameters == {"profile": "toy", "experiment": "03-third", "seeds": (3, -4)}
    assert "seeds" not in "".join(notebook.code)
    assert "# %matplotlib inline" in python_of(notebook.code)


def test_a_good_notebook_has_no_problems(project):
    path = project.notebook("03-third")
    assert check_notebook(path) == []


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (lambda cells: cells[0].update(metadata={}), "expected one cell tagged `parameters`, found 0"),
        (lambda cells: cells[1].update(metadata={"tags": ["parameters"]}), "found 2"),
        (lambda cells: cells[0].update(source="seeds = range(3)"), "parameter seeds is not a plain value: range(3)"),
        (lambda cells: cells[0].update(source="print(1)"), "line 1 of the parameters cell is not `name = value`"),
        (lambda cells: cells[0].update(source="seeds = (0,)"), "profile: Field required; experiment: Field required"),
        (lambda cells: cells[1].update(source="def f(): pass"), "defines f"),
        (lambda cells: cells[1].update(source=["class A:\n", "    pass"]), "defines A"),
        (lambda cells: cells[1].update(source="x = 1\n" * 61), "63 lines of code, more than 60"),
        (lambda cells: cells[1].update(execution_count=None), "cells that were not executed"),
        (
            lambda cells: cells[1].update(outputs=[{"output_type": "error", "ename": "KeyError", "evalue": "x"}]),
            "stored error: KeyError: x",
        ),
    ],
)
def test_each_breach_is_told(project, edit, problem):
    problems = check_notebook(edited(project.notebook("03-third"), edit))
    assert problem in "; ".join(problems)


def test_a_notebook_without_a_model_and_a_broken_file_are_told(project, tmp_path):
    assert "no parameters model" in check_notebook(tmp_path / "77-x.ipynb")[0]
    path = project.notebook("03-third")
    path.write_text("{")
    assert "is not a notebook" in check_notebook(path)[0]
