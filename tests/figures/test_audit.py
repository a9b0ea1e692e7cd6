import polars as pl
import pytest

from stackstudy.evaluation.audit import DEFECTS, LOWERS, MEASURES, NOTHING, RAISES, spread
from stackstudy.figures import audit

SHAPES = [(0.05, 0.01, RAISES), (-0.3, 0.02, LOWERS), (0.0, 0.0, NOTHING), (0.002, 0.004, NOTHING), (-1.5, 0.7, LOWERS)]


def rows(count: int) -> pl.DataFrame:
    found = []
    for place, defect in enumerate(list(DEFECTS.values())[:count]):
        effect, half, verdict = SHAPES[place % len(SHAPES)]
        about = {"point": defect.point, "name": defect.name, "metric": ("f1_weighted", "r2")[place % 2]}
        about["measure"] = MEASURES[about["metric"]]
        ends = {"effect": effect, "effect_low": effect - half, "effect_high": effect + half}
        found.append(about | {"published": 0.7 + effect, "corrected": 0.7} | ends | {"verdict": verdict})
    return pl.DataFrame(found)


SPREADS = spread(
    {
        ("vector-ridge", "r2", "split"): pl.Series([0.02, 0.1, 0.3]).to_numpy(),
        ("a", "f1_micro", "split"): pl.Series([0.1, 0.2]).to_numpy(),
    }
)


@pytest.mark.parametrize("count", [1, 6, len(DEFECTS)])
@pytest.mark.parametrize("spreads", [SPREADS, spread({})], ids=["spreads", "none"])
def test_effects(count, spreads, check_figure):
    check_figure(audit.effects(rows(count), spreads))


def test_what_is_found_is_filled_and_what_is_not_is_open():
    ax = audit.effects(rows(5), SPREADS).axes[0]
    marks = {line.get_ydata()[0]: line.get_markerfacecolor() for line in ax.lines if len(line.get_xdata()) == 1}
    assert [marks[place] == "white" for place in range(5)] == [False, False, True, True, False]
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names[0].startswith("1 ")
    assert names[5:] == ["vector-ridge, other split"], "a metric that no row has is not drawn"


def test_without_rows_there_is_no_figure():
    with pytest.raises(ValueError, match="audit: nothing to draw"):
        audit.effects(rows(3).clear(), SPREADS)
