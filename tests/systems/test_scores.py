"""What all score systems but the networks have in common."""

import numpy as np
import polars as pl
import pytest
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.random_projection import GaussianRandomProjection

from stackstudy.evaluation.scores import inverse_signed_log, row_sums, signed_log
from stackstudy.params import ScoresBeyond, ScoresTraditional
from stackstudy.questions.planted import Truth, ceiling_of, plant_with_truth
from stackstudy.systems.data import Data
from stackstudy.systems.saved import load_system
from stackstudy.systems.scores import BEYOND, TRADITIONAL

SYSTEMS = TRADITIONAL | BEYOND
TREES = {"rounds": 60, "patience": 10, "max_depth": 3, "learning_rate": 0.1, "min_child_weight": 1.0}
TREES |= {"subsample": 0.8, "colsample_bytree": 1.0}
WORDS = {"max_features": 500, "components": 12, "alphas": (0.1, 1.0, 100.0)}
EMPTY = {"seeds": (0,), "strata": None, "profile": "smoke", "experiment": "some"}


def fit(system, data, folder, **changes):
    fields = EMPTY | TREES | (WORDS if system in TRADITIONAL else {})
    fields |= {name: value for name, value in changes.items() if name in fields}
    model = ScoresTraditional if system in TRADITIONAL else ScoresBeyond
    return SYSTEMS[system](data, model(**fields), folder)


def scored(data: Data, scores) -> Data:
    return Data(data.questions.with_columns(score=pl.Series(scores)), data.streams, data.encoder)


def few(data: Data, train: int, validation: int = 1, test: int = 1) -> Data:
    counts = {"train": train, "validation": validation, "test": test}
    return data.take(np.sort(np.concatenate([data.rows(split)[:count] for split, count in counts.items()])))


@pytest.mark.parametrize("system", SYSTEMS)
class TestEverySystem:
    def test_test_scores_are_not_looked_at(self, system, asked, tmp_path):
        hidden = pl.when(pl.col("split") == "test").then(999).otherwise("score").alias("score")
        changed = Data(asked.questions.with_columns(hidden), asked.streams, asked.encoder)
        first, second = (fit(system, data, tmp_path).predictions for data in (asked, changed))
        np.testing.assert_array_equal(first.values, second.values)
        assert first.system == system

    def test_saved_it_predicts_the_same_whatever_stands_beside_a_question(self, system, asked, tmp_path):
        """Not the newest question nor the other stratum must be there, nor the order of its own run kept."""
        predictions = fit(system, asked, tmp_path, seeds=(0, 1)).predictions
        saved = load_system(tmp_path / "model" / system, system)
        rows = np.random.default_rng(0).permutation(predictions.rows)
        old = rows[(asked.questions["stratum"] == "old").to_numpy()[rows]]
        for data, places, which in ((asked, rows, rows), (asked.take(old), np.arange(old.size), old)):
            found = saved.apply(data, places)
            assert list(found) == predictions.seeds.tolist()
            expected = np.stack([predictions.at(row[None])[:, 0] for row in which], axis=1)
            np.testing.assert_allclose(np.stack([*found.values()]), expected, rtol=1e-4, atol=1e-4)

    def test_a_constant_target_is_predicted(self, system, asked, tmp_path):
        for score in (0, 5, -2):
            predictions = fit(system, scored(asked, np.full(400, score)), tmp_path).predictions
            np.testing.assert_allclose(predictions.values, score, atol=1e-3)

    def test_scores_that_are_no_numbers_are_refused(self, system, asked, tmp_path):
        for wrong in (np.nan, np.inf):
            scores = np.where(np.arange(400) == 7, wrong, 1.0)
            with pytest.raises(ValueError, match=f"row 7, column score: a finite number is needed, found {wrong}"):
                fit(system, scored(asked, scores), tmp_path)

    def test_features_that_are_all_zero_predict_a_constant_or_less(self, system, asked, tmp_path):
        """Words still differ, but all questions look the same to what is not allowed to read them."""
        zeros = {name: np.zeros_like(stream) for name, stream in asked.streams.items()}
        same = asked.questions.with_columns(title=pl.lit("same words"), body=pl.lit("again and again"), tags=["a"])
        same = same.with_columns(stratum=pl.lit(None, pl.String), created=pl.lit(None, pl.Datetime("us")))
        if system in ("boosting", "tfidf-svd-ridge"):
            with pytest.raises(ValueError, match="components: 12 is too many for"):
                fit(system, Data(same, zeros, "toy"), tmp_path)
        else:
            values = fit(system, Data(same, zeros, "toy"), tmp_path).predictions.values
            assert np.ptp(values) < 1e-6


@pytest.mark.parametrize("system", BEYOND)
def test_three_questions_are_too_few_to_leave_one_out(system, asked, tmp_path):
    if system.startswith("controls"):
        assert fit(system, few(asked, 1), tmp_path).predictions.values.shape == (1, 2)
    else:
        with pytest.raises(ValueError, match="one train row: take more questions"):
            fit(system, few(asked, 1), tmp_path)
        assert np.isfinite(fit(system, few(asked, 2), tmp_path).predictions.values).all()


@pytest.mark.parametrize("system", ["mean", "mean-log", "bow-ridge", "tfidf-ridge", "log-sgd", "log-linear-svr"])
def test_one_training_question_is_what_is_predicted(system, asked, tmp_path):
    data = few(asked, 1)
    score = data.scores()[data.rows("train")][0]
    values = fit(system, data, tmp_path).predictions.values
    np.testing.assert_allclose(values, score, atol=1e-3)


def test_one_question_is_no_experiment(asked, tmp_path):
    one = Data(asked.questions[:1], {name: stream[:1] for name, stream in asked.streams.items()})
    with pytest.raises(ValueError, match=r"the question table has no [a-z]+ rows: take more questions"):
        fit("mean", one, tmp_path)


def test_the_same_seed_gives_the_same_and_another_one_does_not(asked, tmp_path):
    for system in ("log-sgd", "boosting", "xgboost-log", "quantile"):
        first, again = (fit(system, asked, tmp_path, seeds=(0, 1)).predictions for _ in range(2))
        assert first.values.tobytes() == again.values.tobytes()
        assert (first.values[0] != first.values[1]).any()


@pytest.fixture(scope="module")
def planted() -> tuple[Data, Truth]:
    """4,000 planted questions with a cheap encoder, and what the generator knows of the test questions."""
    questions, truth = plant_with_truth(4000, seed=1)
    splits = np.random.default_rng(0).choice(["train", "validation", "test"], 4000, p=[0.7, 0.15, 0.15])
    words, project = HashingVectorizer(n_features=4096), GaussianRandomProjection(256, random_state=0)
    streams = {name: project.fit_transform(words.transform(questions[name])) for name in ("title", "body")}
    data = Data(questions.with_columns(split=pl.Series(splits)), streams, "hashed words")
    return data, truth.take(data.rows("test"))


@pytest.mark.parametrize("system", ["log-sgd", "xgboost-log"])
def test_the_shown_part_of_planted_scores_is_found_and_the_hidden_part_is_not(system, planted, tmp_path):
    """Over six corpora of this size both reach 53 to 79 % of the ceiling; on 600 rows even the truth strays from it."""
    data, truth = planted
    test = data.rows("test")
    predictions = fit(system, data, tmp_path, max_features=20_000, alphas=(1.0, 10.0), rounds=200).predictions
    reached = row_sums(data.scores()[test], predictions.at(test)[0]).point()["r2_log"]
    assert 0.5 < reached / ceiling_of(truth).r2_signed_log < 1
    found, hidden = signed_log(predictions.at(test)[0]), signed_log(data.scores()[test]) - truth.log_mean
    assert np.corrcoef(found, truth.log_mean)[0, 1] ** 2 > 0.6
    assert abs(np.corrcoef(found, hidden)[0, 1]) < 3 / np.sqrt(test.size)


def test_signed_logs_of_negative_scores_come_back(asked, tmp_path):
    scores = np.where(asked.scores() > 5, -20, 3)  # what was liked is now voted down
    predictions = fit("log-linear-svr", scored(asked, scores), tmp_path).predictions
    test = asked.rows("test")
    assert np.corrcoef(predictions.at(test)[0], scores[test])[0, 1] > 0.8
    assert predictions.values.min() < -5
    assert predictions.values.min() >= -20.001  # no further than what it was trained on
    np.testing.assert_allclose(inverse_signed_log(signed_log(scores)), scores)
