import numpy as np
import pytest

from stackstudy.evaluation.extras import load_extras, save_extras
from stackstudy.evaluation.predictions import Predictions


@pytest.fixture
def folder(tmp_path):
    rows = np.array([2, 5, 9])
    predictions = Predictions("quantile", "scores", "hash", rows, np.array([0, 1]), np.zeros((2, 3)))
    save_extras(tmp_path, predictions, low=np.array([[1, 2, 3], [4, 5, 6]]), chances=np.ones((2, 3, 5)))
    return tmp_path


def test_rows_are_read_back_by_their_number(folder):
    extras = load_extras(folder, "quantile", np.array([9, 2]))
    assert extras["low"].tolist() == [[3, 1], [6, 4]]
    assert extras["chances"].shape == (2, 2, 5)


def test_what_is_missing_is_named(folder):
    with pytest.raises(ValueError, match=r"quantile\.npz: nothing for row 7 \(1 rows missing\)"):
        load_extras(folder, "quantile", np.array([2, 7]))
    with pytest.raises(FileNotFoundError, match="ordinal"):
        load_extras(folder, "ordinal", np.array([2]))
