import numpy as np
import pytest

from stackstudy.params import TagsBaselines
from stackstudy.systems.choices import Try, about_choice, best_of, chosen, validation_f1


@pytest.fixture
def parameters() -> TagsBaselines:
    fields = {"profile": "smoke", "experiment": "11-tags-baselines", "seeds": (3, 4), "neighbours": (1,)}
    return TagsBaselines(**fields, inverse_penalties=(1.0,), max_features=9)


def noisy(data, noise: float) -> np.ndarray:
    """Return probabilities of validation and test rows that are the truth, but for noise."""
    truth = data.labels(data.rows("validation", "test"))
    return (truth + noise * np.random.default_rng(0).random(truth.shape)) / (1 + noise)


def test_the_best_on_validation_rows_is_taken_and_the_first_of_equals(data, parameters):
    tries = [Try(setting, noisy(data, noise)) for setting, noise in ((1.0, 3.0), (2.0, 0.1), (3.0, 0.1))]
    fitted = best_of("tried", data, parameters, tries, 7)
    assert chosen(fitted) == 2.0
    np.testing.assert_array_equal(fitted.predictions.values[0], tries[1].probabilities.astype(np.float32))
    assert (fitted.predictions.seeds.tolist(), fitted.size) == ([3], 7)
    assert fitted.history["setting"].to_list() == [1, 2, 3]
    assert fitted.history["validation_f1_micro"].to_list() == [validation_f1(data, each[1]) for each in tries]
    assert about_choice(fitted, data, ("body",)).items() >= {"class": "tried", "setting": 2.0}.items()


def test_test_rows_play_no_part(data, parameters):
    better, worse = noisy(data, 0.1), noisy(data, 3.0)
    test = np.isin(data.rows("validation", "test"), data.rows("test"))
    better[test], worse[test] = worse[test], better[test]
    assert chosen(best_of("tried", data, parameters, [Try(1.0, worse), Try(2.0, better)], 7)) == 2.0
    assert validation_f1(data, better) == 1.0


def test_without_a_setting_there_is_nothing_to_choose(data, parameters):
    assert chosen(best_of("tried", data, parameters, [Try(None, noisy(data, 0.1))], 7)) is None
