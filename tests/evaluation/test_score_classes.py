import numpy as np
import pytest

from stackstudy.evaluation.score_classes import CLASSES, class_confusion, class_numbers, score_classes


def test_classes_have_the_bounds_of_the_study():
    scores = np.array([-20, -1, 0, 1, 3, 4, 20, 21, 27_487])
    names = [CLASSES[place] for place in score_classes(scores)]
    assert names == ["bad", "bad", "neutral", "good", "good", "very good", "very good", "excellent", "excellent"]


def test_numbers_by_hand():
    numbers = class_numbers(np.array([0, 0, 1, 4]), np.array([0, 1, 1, 2]))
    f1 = (2 / 3, 2 / 3, 0)  # of the classes 0, 1 and 4; the class 2 has no question
    assert numbers == pytest.approx({"f1_macro": np.mean(f1), "accuracy": 0.5, "distance": 0.75})


def test_confusion_has_a_row_for_each_class_even_without_questions():
    counts = class_confusion(np.array([0, 4]), np.array([1, 4]))
    assert counts.shape == (5, 5)
    assert (counts[0, 1], counts[4, 4], counts.sum()) == (1, 1, 2)
