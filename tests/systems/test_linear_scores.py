import numpy as np
import polars as pl
import pytest
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

from stackstudy.evaluation.scores import inverse_signed_log, row_sums, signed_log
from stackstudy.params import ScoresTraditional
from stackstudy.systems.scores import TRADITIONAL
from stackstudy.systems.terms import texts_of

RIDGES = ("bow-ridge", "tfidf-ridge", "tfidf-stem-ridge", "tfidf-svd-ridge")
LOGS = ("log-linear-svr", "log-sgd")


def parameters(**changes) -> ScoresTraditional:
    fields = {"profile": "smoke", "experiment": "21-scores-traditional", "strata": None, "seeds": (0, 1)}
    fields |= {"max_features": 500, "components": 12, "alphas": (0.01, 1.0, 100.0), "rounds": 60, "patience": 10}
    fields |= {"max_depth": 3, "learning_rate": 0.1, "min_child_weight": 1, "subsample": 0.8, "colsample_bytree": 1}
    return ScoresTraditional(**fields | changes)


def fit(system, data, folder, **changes):
    return TRADITIONAL[system](data, parameters(**changes), folder)


def quality(predictions, data) -> dict[str, float]:
    test = data.rows("test")
    return row_sums(data.scores()[test], predictions.at(test)[0]).point()


def test_the_means_are_those_of_the_training_rows(data, tmp_path):
    train = data.questions.filter(pl.col("split") == "train")["score"].to_numpy()
    expected = {"mean": train.mean(), "mean-log": inverse_signed_log(signed_log(train).mean())}
    for system, value in expected.items():
        predictions = fit(system, data, tmp_path).predictions
        np.testing.assert_allclose(predictions.values, value, rtol=1e-6)
        assert predictions.values.shape == (1, len(data.rows("validation", "test")))
        assert (tmp_path / "model" / system / "model.json").exists()


@pytest.mark.parametrize("system", RIDGES)
def test_words_that_carry_the_score_are_found(system, data, tmp_path):
    assert quality(fit(system, data, tmp_path).predictions, data)["r2"] > 0.7


@pytest.mark.parametrize("system", LOGS)
def test_words_that_carry_the_log_of_the_score_are_found(system, data, tmp_path):
    assert quality(fit(system, data, tmp_path).predictions, data)["r2_log"] > 0.6


@pytest.mark.parametrize(
    ("system", "steps"),
    [
        ("bow-ridge", (CountVectorizer(max_features=500), Ridge(1.0))),
        ("tfidf-ridge", (TfidfVectorizer(ngram_range=(1, 2), max_features=500), Ridge(1.0))),
        (
            "tfidf-svd-ridge",
            (TfidfVectorizer(ngram_range=(1, 2), max_features=500), TruncatedSVD(12, random_state=3), Ridge(1.0)),
        ),
    ],
)
def test_predictions_are_those_of_the_library_pipeline(system, steps, data, tmp_path):
    fitted = fit(system, data, tmp_path, seeds=(3,), alphas=(1.0,))
    texts, train = texts_of(data.questions), data.rows("train")
    pipeline = make_pipeline(*steps).fit(texts.gather(train), data.questions["score"].gather(train))
    expected = pipeline.predict(texts.gather(fitted.predictions.rows))
    np.testing.assert_allclose(fitted.predictions.values[0], expected, atol=5e-2)


def test_only_what_draws_at_random_uses_all_seeds(data, tmp_path):
    seeds = {system: fit(system, data, tmp_path).predictions.seeds.tolist() for system in (*RIDGES, *LOGS)}
    random = {system for system, used in seeds.items() if used == [0, 1]}
    assert random == {"tfidf-svd-ridge", "log-sgd"}


def test_the_penalty_is_chosen_on_validation_rows(data, tmp_path):
    fitted = fit("tfidf-svd-ridge", data, tmp_path, seeds=(0,), alphas=(1e6, 0.1, 1e4))
    assert fitted.history.columns == ["seed", "alpha", "validation_rmse"]
    rows = data.rows("validation")
    errors = fitted.predictions.at(rows)[0] - data.questions["score"].to_numpy()[rows]
    assert fitted.history["validation_rmse"].min() == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-4)


def test_a_log_target_is_chosen_on_the_log_scale(data, tmp_path):
    fitted = fit("log-sgd", data, tmp_path, seeds=(0,))
    rows = data.rows("validation")
    errors = signed_log(fitted.predictions.at(rows)[0]) - signed_log(data.scores()[rows])
    assert fitted.history["validation_rmse_log"].min() == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-2)


def test_too_many_components_are_refused(data, tmp_path):
    with pytest.raises(ValueError, match=r"components: 300 is too many for \d+ training questions with \d+ terms"):
        fit("tfidf-svd-ridge", data, tmp_path, components=300)
