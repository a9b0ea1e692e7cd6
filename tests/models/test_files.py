import numpy as np
import pytest

from stackstudy.models.files import read_model, write_model


def test_what_is_written_is_read_again(tmp_path):
    arrays = {"weights": np.arange(6.0).reshape(2, 3).T, "labels": np.array([True, False])}
    write_model(tmp_path, {"labels": ["c#", "größe"]}, arrays)
    about, found = read_model(tmp_path)
    assert about == {"labels": ["c#", "größe"]}
    assert {name: array.tolist() for name, array in found.items()} == {n: a.tolist() for n, a in arrays.items()}


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no model at .*model\.json: run the experiment that trains it"):
        read_model(tmp_path)
