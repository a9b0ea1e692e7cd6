"""Tag metrics against scikit-learn and against definitions spelled out in loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import f1_score, label_ranking_average_precision_score, precision_recall_fscore_support

from stackstudy.evaluation import tags


@st.composite
def cases(draw, max_rows=12, max_labels=7):
    """Coarse probabilities, so that ties occur, and labels that may be absent from rows and columns."""
    shape = draw(st.integers(1, max_rows)), draw(st.integers(1, max_labels))
    steps = draw(arrays(np.int64, shape, elements=st.integers(0, 8)))
    return (steps / 8).astype(np.float32), draw(arrays(np.bool_, shape))


@given(cases(), st.sampled_from([0.0, 0.25, 0.3, 0.625, 1.0]))
@settings(max_examples=80, deadline=None)
def test_f1_and_ranking_agree_with_scikit_learn(case, threshold):
    probabilities, labels = case
    point = tags.row_sums(probabilities, labels, threshold).point()
    predicted = probabilities >= threshold
    # scikit-learn takes a single column for a binary problem: pad with a label that changes no sum
    two = np.pad(labels, ((0, 0), (0, 1))), np.pad(predicted, ((0, 0), (0, 1)))
    for average in ("micro", "weighted", "samples"):
        assert point[f"f1_{average}"] == pytest.approx(f1_score(*two, average=average, zero_division=0), abs=1e-6)
    macro = f1_score(*two, average=None, zero_division=0)[:-1].mean()
    assert point["f1_macro"] == pytest.approx(macro, abs=1e-6)
    if labels.shape[1] > 1:
        assert point["lrap"] == pytest.approx(label_ranking_average_precision_score(labels, probabilities), abs=1e-6)
    assert point["threshold"] == threshold


@given(cases(), st.sampled_from([0.25, 0.5]))
@settings(max_examples=40, deadline=None)
def test_per_label_agrees_with_scikit_learn(case, threshold):
    probabilities, labels = case
    two = (np.pad(x, ((0, 0), (0, 1))) for x in (labels, probabilities >= threshold))
    expected = precision_recall_fscore_support(*two, average=None, zero_division=0)
    found = tags.per_label(probabilities, labels, threshold)
    for values, name in zip(expected, ("precision", "recall", "f1", "support"), strict=True):
        np.testing.assert_allclose(found[name], values[:-1], err_msg=name)


@given(cases())
@settings(max_examples=60, deadline=None)
def test_metrics_among_the_likeliest_labels_follow_their_definition(case):
    probabilities, labels = case
    point = tags.row_sums(probabilities, labels, 0.5).point()
    for top in range(1, 6):
        rows = []
        for values, true in zip(probabilities, labels, strict=True):
            hits = true[np.argsort(-values, kind="stable")[:top]].sum()
            precision, recall = hits / top, hits / true.sum() if true.any() else 0
            rows.append((precision, recall, 2 * precision * recall / (precision + recall) if hits else 0))
        for value, name in zip(np.mean(rows, axis=0), ("precision", "recall", "f1"), strict=True):
            assert point[f"{name}_at_{top}"] == pytest.approx(value, abs=1e-6)


@given(cases())
@settings(max_examples=100, deadline=None)
def test_the_chosen_threshold_is_the_best_of_all(case):
    probabilities, labels = case
    chosen = tags.choose_threshold(probabilities, labels)
    every = np.unique(probabilities)
    brute = [f1_score(labels.ravel(), (probabilities >= cut).ravel(), zero_division=0) for cut in every]
    reached = f1_score(labels.ravel(), (probabilities >= chosen).ravel(), zero_division=0)
    assert reached == pytest.approx(max(brute))
    np.testing.assert_allclose(tags.micro_f1_at(probabilities, labels, every), brute)
    if labels.any():
        assert chosen == max(cut for cut, f1 in zip(every, brute, strict=True) if np.isclose(f1, max(brute)))


def test_a_threshold_is_exact_in_single_precision():
    probabilities = np.array([[np.float32(0.1), np.nextafter(np.float32(0.1), np.float32(0))]])
    labels = np.array([[True, False]])
    threshold = tags.choose_threshold(probabilities, labels)
    assert tags.row_sums(probabilities, labels, threshold).point()["f1_micro"] == 1


@given(cases())
@settings(max_examples=40, deadline=None)
def test_calibration_error_follows_its_definition(case):
    probabilities, labels = case
    bins = np.minimum((probabilities * tags.BINS).astype(int), tags.BINS - 1)
    expected = sum(
        inside.sum() / inside.size * abs(probabilities[inside].mean() - labels[inside].mean())
        for inside in (bins == number for number in range(tags.BINS))
        if inside.any()
    )
    assert tags.row_sums(probabilities, labels, 0.5).point()["ece"] == pytest.approx(expected, abs=1e-6)


def test_perfect_and_certain_predictions_reach_the_ends_of_every_scale():
    labels = np.eye(6, dtype=bool)
    point = tags.row_sums(labels.astype(np.float32), labels, 0.5).point()
    ones = ("f1_micro", "f1_macro", "f1_weighted", "f1_samples", "lrap", "precision_at_1", "recall_at_5")
    assert all(point[name] == 1 for name in ones)
    assert point["precision_at_5"] == pytest.approx(0.2)
    assert point["ece"] == 0


def test_reliability_shows_a_calibrated_system_on_the_diagonal():
    random = np.random.default_rng(0)
    probabilities = random.random((20_000, 3), dtype=np.float32)
    bins = tags.reliability(probabilities, random.random((20_000, 3)) < probabilities)
    assert bins["count"].sum() == 60_000
    assert bins["predicted"].is_sorted()
    np.testing.assert_allclose(bins["observed"], bins["predicted"], atol=0.03)


def test_labels_fall_into_bins_of_training_frequency():
    bins = tags.frequency_bins(np.array([5, 5000, 29, 10, 999]))
    assert [(name, places.tolist()) for name, places in bins] == [
        ("0-9", [0]),
        ("10-29", [2, 3]),
        ("300-999", [4]),
        ("1000+", [1]),
    ]
