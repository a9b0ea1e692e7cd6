import numpy as np
import pytest

from stackstudy.questions.schema import row_hash
from stackstudy.systems.data import Data


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
