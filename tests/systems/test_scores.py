import numpy as np
import polars as pl
import pytest
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

from stackstudy.evaluation.tables import score_systems
from stackstudy.models.text import TextRegressor
from stackstudy.params import ScoresTraditional
from stackstudy.systems.data import Data
from stackstudy.systems.scores import SCORE_SYSTEMS, texts_of


def parameters(**changes) -> ScoresTraditional:
    fields = {"profile": "smoke", "experiment": "21-scores-traditional", "max_features": 500, "components": 12}
    return ScoresTraditional(**fields | {"alphas": (0.01, 1.0, 100.0), "seeds": (0, 1)} | changes)


def fit(system, data, folder, **changes):
    return SCORE_SYSTEMS[system](data, parameters(**changes), folder)


def test_the_mean_is_that_of_the_training_rows(data, tmp_path):
    predictions = fit("mean", data, tmp_path).predictions
    expected = data.questions.filter(pl.col("split") == "train")["score"].mean()
    np.testing.assert_allclose(predictions.values, expected, rtol=1e-6)
    assert predictions.values.shape == (1, len(data.rows("validation", "test")))
    assert (tmp_path / "model" / "mean.json").exists()


def test_words_that_carry_the_score_are_found(data, tmp_path):
    predictions = [fit(system, data, tmp_path).predictions for system in SCORE_SYSTEMS]
    systems = score_systems(predictions, data.questions)
    assert abs(systems["mean"][0].point()["r2"]) < 0.1
    assert all(seed.point()["r2"] > 0.7 for seed in systems["tfidf-svd-ridge"])


def test_the_folded_weights_predict_what_the_steps_would(data, tmp_path):
    fitted = fit("tfidf-svd-ridge", data, tmp_path, seeds=(3,), alphas=(1.0,))
    steps = TfidfVectorizer(ngram_range=(1, 2), max_features=500), TruncatedSVD(12, random_state=3), Ridge(1.0)
    texts, train = texts_of(data.questions), data.rows("train")
    pipeline = make_pipeline(*steps).fit(texts.gather(train), data.questions["score"].gather(train))
    expected = pipeline.predict(texts.gather(fitted.predictions.rows))
    np.testing.assert_allclose(fitted.predictions.values[0], expected, atol=1e-3)


def test_the_saved_model_predicts_the_same(data, tmp_path):
    predictions = fit("tfidf-svd-ridge", data, tmp_path).predictions
    model = TextRegressor.load(tmp_path / "model" / "tfidf-svd-ridge")
    values = model.predict(texts_of(data.questions).gather(predictions.rows)).astype(np.float32)
    np.testing.assert_array_equal(values, predictions.values)
    with pytest.raises(FileNotFoundError, match="no model at"):
        TextRegressor.load(tmp_path)


def test_the_penalty_is_chosen_on_validation_rows(data, tmp_path):
    fitted = fit("tfidf-svd-ridge", data, tmp_path, seeds=(0,), alphas=(1e6, 0.1, 1e4))
    assert fitted.history.columns == ["seed", "alpha", "validation_rmse"]
    rows = data.rows("validation")
    errors = fitted.predictions.at(rows)[0] - data.questions["score"].to_numpy()[rows]
    assert fitted.history["validation_rmse"].min() == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-4)


def test_test_scores_are_not_looked_at(data, tmp_path):
    hidden = data.questions.with_columns(pl.when(pl.col("split") == "test").then(999).otherwise("score").alias("score"))
    for system in SCORE_SYSTEMS:
        first = fit(system, data, tmp_path / "a").predictions
        second = fit(system, Data(hidden), tmp_path / "b").predictions
        np.testing.assert_array_equal(first.values, second.values)


def test_too_many_components_are_refused(data, tmp_path):
    with pytest.raises(ValueError, match=r"components: 300 is too many for \d+ training questions with \d+ terms"):
        fit("tfidf-svd-ridge", data, tmp_path, components=300)
