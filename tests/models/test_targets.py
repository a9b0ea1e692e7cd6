import numpy as np
import pytest

from stackstudy.evaluation.scores import signed_log
from stackstudy.models.targets import ScoreTarget

SCORES = np.array([-3.0, 0.0, 1.0, 50.0])


@pytest.mark.parametrize("make", [ScoreTarget.of, ScoreTarget.plain])
@pytest.mark.parametrize("log", [False, True])
def test_what_is_learned_comes_back(make, log):
    target = make(SCORES, log)
    np.testing.assert_allclose(target.scores(target.learned(SCORES)), SCORES, rtol=1e-5, atol=1e-5)


def test_a_standardised_target_has_mean_0_and_deviation_1_and_a_plain_one_is_left_as_it_is():
    learned = ScoreTarget.of(SCORES, log=True).learned(SCORES)
    assert (learned.mean(), learned.std()) == pytest.approx((0, 1), abs=1e-6)
    np.testing.assert_allclose(ScoreTarget.plain(SCORES, log=True).learned(SCORES), signed_log(SCORES), rtol=1e-6)


def test_only_logs_are_kept_within_those_of_the_training_scores():
    outputs = np.array([-100.0, 100.0])
    np.testing.assert_allclose(ScoreTarget.plain(SCORES, log=True).scores(outputs), [-3, 50])
    np.testing.assert_allclose(ScoreTarget.plain(SCORES, log=False).scores(outputs), outputs)
