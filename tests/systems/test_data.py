import json
from types import SimpleNamespace

import numpy as np
import pytest

from stackstudy.questions.schema import row_hash
from stackstudy.systems.data import Data, Fitted, fit


def test_only_the_questions_of_the_strata_are_left(asked):
    inside = asked.within(("new",))
    rows = np.flatnonzero((asked.questions["stratum"] == "new").to_numpy())
    assert inside.questions.equals(asked.questions[rows])
    np.testing.assert_array_equal(inside.stream("body"), asked.stream("body")[rows])
    assert row_hash(inside.questions) != row_hash(asked.questions)
    assert inside.encoder == asked.encoder
    assert len(asked.within(("new", "old")).questions) == 400


def test_without_strata_nothing_changes(asked):
    assert asked.within(None) is asked


def test_an_unknown_stratum_is_named(asked):
    with pytest.raises(ValueError, match="parameter strata: no question is of the stratum nwe; there are new, old"):
        asked.within(("old", "nwe"))
    with pytest.raises(ValueError, match="stratum old; these questions have none"):
        Data(asked.questions.with_columns(stratum=None).cast({"stratum": str})).within(("old",))


def test_the_cost_of_a_fit_has_that_of_trainings_from_before(asked, tmp_path):
    for name, earlier in (("new", 0.0), ("taken-up", 100.0)):
        fit(lambda *_, name=name, s=earlier: Fitted(SimpleNamespace(system=name), None, 3, s), asked, None, tmp_path)
    costs = json.loads((tmp_path / "cost.json").read_text())
    assert 0 <= costs["new"]["seconds"] < 1
    assert 100 <= costs["taken-up"]["seconds"] < 101
    assert costs["new"]["size"] == 3
