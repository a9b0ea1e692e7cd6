import numpy as np
import pytest
from sklearn.linear_model import Ridge

from stackstudy.models.trees import PENALTIES, TreeTagger, discriminant_scores


@pytest.fixture
def questions() -> tuple[np.ndarray, np.ndarray]:
    """60 vectors of 10 dimensions, and two labels that follow from them, up to noise."""
    random = np.random.default_rng(0)
    vectors = random.normal(size=(60, 10)).astype(np.float32)
    targets = vectors @ random.normal(size=(10, 2)) + random.normal(size=(60, 2)) > 0
    return vectors, targets.astype(np.float32)


def test_scores_of_fitted_rows_are_those_of_a_fit_without_the_row(questions):
    vectors, targets = questions
    scores, features = discriminant_scores(vectors, targets)
    penalty = min(PENALTIES, key=lambda alpha: _left_out_error(alpha, vectors, targets))
    for row in (0, 17, 59):
        others = np.arange(60) != row
        # The penalty acts on centred vectors, so leaving a row out moves the centre: equal up to that.
        without = Ridge(penalty).fit(vectors[others], targets[others]).predict(vectors[[row]])
        np.testing.assert_allclose(scores[[row]], without, atol=2e-3)
    full = Ridge(penalty).fit(vectors, targets)
    np.testing.assert_allclose(features(vectors), full.predict(vectors), atol=1e-4)


def _left_out_error(alpha: float, vectors: np.ndarray, targets: np.ndarray) -> float:
    rows = np.arange(len(vectors))
    fits = (Ridge(alpha).fit(vectors[rows != row], targets[rows != row]) for row in rows)
    return float(np.mean([(fit.predict(vectors[[row]]) - targets[row]) ** 2 for row, fit in enumerate(fits)]))


def test_one_target_and_fewer_vectors_than_dimensions(questions):
    vectors, targets = questions
    scores, features = discriminant_scores(vectors[:7], targets[:7, :1])
    assert scores.shape == (7, 1)
    assert features(vectors).shape == (60, 1)
    assert np.isfinite(features(vectors)).all()


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no model at .*model\.json"):
        TreeTagger.load(tmp_path)
