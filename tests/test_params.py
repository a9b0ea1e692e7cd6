"""Parameters of a notebook are read from its globals; what is none of them is refused, however it came there."""

import nbformat
import papermill
import pytest
from papermill.exceptions import PapermillExecutionError
from pydantic import ValidationError

from stackstudy.params import Parameters

OWN = 'profile = "smoke"\nexperiment = "01-trial"  # a name'


class Trial(Parameters):
    rate: float


def read(*cells: str) -> Trial:
    return Trial.from_notebook({"profile": "smoke", "experiment": "01-trial", "rate": 0.5, "In": ["", *cells]})


@pytest.mark.parametrize(
    "cells",
    [
        (f"{OWN}\nrate = 0.5", "# Parameters\nrate = 0.5\n"),
        (f"{OWN}\nrate = 0.5", "%matplotlib inline", "best = 3", "rate = 0.1\nprint(rate, other)"),
        (),
    ],
)
def test_known_ones_are_read_and_other_cells_are_left_alone(cells):
    assert read(*cells).rate == 0.5


@pytest.mark.parametrize("cells", [(f"{OWN}\nrtae = 0.5",), (OWN, "# Parameters\nrtae = 0.1\n"), (OWN, "x = rate = 1")])
def test_unknown_ones_are_refused(cells):
    with pytest.raises(ValueError, match=r"no parameter (rtae|x) here; there are rate$"):
        read(*cells)


def test_a_missing_one_is_refused():
    with pytest.raises(ValidationError, match="rate"):
        Trial.from_notebook({"profile": "smoke", "experiment": "01-trial"})


def test_papermill_does_not_run_a_notebook_with_an_unknown_one(tmp_path):
    cells = [nbformat.v4.new_code_cell(OWN, metadata={"tags": ["parameters"]})]
    reading = "from stackstudy.params import Parameters\nParameters.from_notebook(globals())"
    cells += [nbformat.v4.new_code_cell(reading), nbformat.v4.new_code_cell("after = True")]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), tmp_path / "in.ipynb")
    with pytest.raises(PapermillExecutionError, match="no parameter rtae here"):
        papermill.execute_notebook(
            tmp_path / "in.ipynb", tmp_path / "out.ipynb", {"rtae": 0.1}, progress_bar=False, log_output=False
        )
