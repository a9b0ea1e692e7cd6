import numpy as np
import pytest

from stackstudy.evaluation.bootstrap import paired_bootstrap
from stackstudy.evaluation.class_study import class_systems, row_sums
from stackstudy.evaluation.predictions import Predictions, rows_of
from stackstudy.evaluation.score_classes import class_numbers, score_classes
from stackstudy.questions.schema import row_hash


@pytest.mark.parametrize("classes", [[0, 1, 2, 3, 4], [1, 2], [3]])
def test_agrees_with_the_metrics_of_single_predictions(classes):
    random = np.random.default_rng(0)
    actual, predicted = random.choice(classes, 300), random.integers(0, 5, 300)
    assert row_sums(actual, predicted).point() == pytest.approx(class_numbers(actual, predicted))


def test_a_resample_is_the_metric_of_the_rows_drawn():
    random = np.random.default_rng(1)
    actual, predicted, rows = random.integers(0, 5, 50), random.integers(0, 5, 50), random.integers(0, 50, 50)
    counts = np.bincount(rows, minlength=50).astype(np.float32)[:, None]
    resampled = row_sums(actual, predicted).resampled(counts)
    assert {k: v[0] for k, v in resampled.items()} == pytest.approx(class_numbers(actual[rows], predicted[rows]))


def test_scores_fall_into_classes_and_known_classes_come_first(questions):
    rows, test = rows_of(questions, "validation", "test"), rows_of(questions, "test")
    score = questions["score"].to_numpy()
    close = Predictions("close", "scores", row_hash(questions), rows, [0], score[rows][None] + 0.4)
    ordinal = Predictions("ordinal", "scores", row_hash(questions), rows, [0], np.full((1, rows.size), -9))
    known = {"ordinal": score_classes(score[test])[None]}
    evaluation = paired_bootstrap(class_systems([close, ordinal], questions, known), 20, 0)
    assert evaluation.values["close"]["f1_macro"] == evaluation.values["ordinal"]["f1_macro"] == 1
    assert evaluation.values["close"]["distance"] == 0
