import numpy as np
import polars as pl
import pytest

from stackstudy.evaluation import audit
from stackstudy.evaluation.audit import LOWERS, NOTHING, RAISES, Row, effects, numbers, spread, verdict
from stackstudy.evaluation.bootstrap import RowSums

QUESTIONS = 300


def runs(gain: float = 0.0, seeds: int = 5, noise: float = 0.0) -> list[RowSums]:
    """Values of 300 questions around .5, the same for every call but for a gain, and for noise from seed to seed."""
    random = np.random.default_rng(0)
    of_questions = random.normal(0.5, 0.2, QUESTIONS)
    shifts = gain + noise * random.normal(size=seeds)
    columns = (np.column_stack([np.ones(QUESTIONS), of_questions + shift]) for shift in shifts)
    return [RowSums((each,), lambda sums: {"f1_weighted": sums[1] / sums[0]}) for each in columns]


def row(defect: str, published: list[RowSums], corrected: list[RowSums]) -> Row:
    return Row(defect, "toy", "f1_weighted", published, corrected)


def test_a_leak_is_clear_of_zero_and_nothing_is_nothing():
    same = runs()
    found = effects([row("label_count", runs(0.05), same), row("one_key", runs(-0.05), same)], 500, 0)
    assert found["verdict"].to_list() == [RAISES, LOWERS]
    assert found["effect"].to_list() == pytest.approx([0.05, -0.05])
    again = effects([row("near_duplicates", runs(), same)], 500, 0).row(0, named=True)
    assert (again["effect"], again["effect_low"], again["effect_high"], again["verdict"]) == (0, 0, 0, NOTHING)


def test_what_seeds_alone_could_make_is_no_effect():
    """Each seed moves by .05 either way; a mean gain of .01 over five of them is within that."""
    noisy = [runs(0.01 + shift, 1)[0] for shift in (-0.05, 0.05, -0.05, 0.05, 0.0)]
    found = effects([row("label_count", noisy, runs())], 2000, 0).row(0, named=True)
    assert found["effect"] == pytest.approx(0.01)
    assert found["effect_low"] < -0.01
    assert found["verdict"] == NOTHING


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [(0.01, 0.02, RAISES), (-0.02, -0.01, LOWERS), (-0.01, 0.01, NOTHING), (0, 0, NOTHING), (1e-9, 2e-9, NOTHING)],
)
def test_the_verdict_follows_from_the_interval(low, high, word):
    assert verdict(low, high) == word


def test_rows_come_in_the_order_of_the_points_and_keep_their_sides():
    base, other = runs(), runs(0.1)
    smaller = [each.take(np.arange(100)) for each in base]
    rows = [row("orphans", other, base), row("file_head", smaller, smaller), row("own_task", base, other)]
    found = effects(rows, 200, 0)
    assert found["defect"].to_list() == ["own_task", "file_head", "orphans"]
    assert found["published"].to_list() == pytest.approx([0.5, 0.5, 0.6], abs=0.05)
    assert found["corrected"].to_list() == pytest.approx([0.6, 0.5, 0.5], abs=0.05)
    assert found["runs"].to_list() == [5, 5, 5]


def test_both_sides_must_have_the_same_seeds():
    with pytest.raises(ValueError, match="audit, one_key: the two runs must have the same seeds, they have 3 and 5"):
        row("one_key", runs(seeds=3), runs())


def test_the_spread_of_equal_runs():
    found = spread({("a", "r2", "split"): np.array([0.0, 0.1, 0.3]), ("b", "r2", "seed"): np.array([0.2])})
    assert found["system"].to_list() == ["a"], "a single run has no spread"
    only = found.row(0, named=True)
    assert (only["runs"], only["lowest"], only["highest"]) == (3, 0, 0.3)
    assert only["mean"] == pytest.approx(0.4 / 3)
    assert only["apart"] == pytest.approx(np.quantile([0.1, 0.2, 0.3], 0.95))
    assert spread({}).columns == found.columns


def test_numbers_and_sentences_follow_from_the_rows():
    found = effects([row("label_count", runs(0.05), runs()), row("one_key", runs(), runs())], 500, 0)
    named = numbers(found, spread({("vector-ridge", "r2", "split"): np.array([0.0, 0.1])}))
    assert (named["raised"], named["lowered"], named["nothing"], named["rows"]) == (1, 0, 1, 2)
    assert named["label_count"]["verdict"] == RAISES
    assert named["spread"]["vector_ridge_r2_split"]["highest"] == 0.1
    text = audit.conclusions(found)
    assert "2. **label count as an input** (toy): weighted F1" in text
    assert text.count(NOTHING) == 1


def test_every_point_of_the_list_has_a_habit_and_a_name_of_its_own():
    table = audit.habits()
    assert sorted(table["point"].unique()) == list(range(1, 13))
    assert table["name"].n_unique() == len(table)
    assert not table.select(pl.all_horizontal(pl.col("published") == pl.col("corrected")).any()).item()
