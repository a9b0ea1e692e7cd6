from datetime import datetime

import polars as pl
import pytest

from stackstudy.questions.features import Sample, controls, text_features, time_features


@pytest.fixture
def questions() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "title": ["How and why does it stop?", "x"],
            "body": ["See `a` at https://example.org\n\n```\n12345\n```\nWhy? What?", ""],
            "tags": [["c", "c++", "gcc"], ["c"]],
            "created": [datetime(2020, 1, 1, 18, 30), None],
            "stratum": ["top", None],
        },
        schema_overrides={"created": pl.Datetime("us")},
    )


def test_what_the_text_shows(questions):
    first, second = text_features(questions).rows(named=True)
    assert first["title_characters"] == 25
    assert (first["title_words"], first["title_question_words"], first["title_question_marks"]) == (6, 2, 1)
    assert (first["body_question_marks"], first["paragraphs"], first["links"], first["tags"]) == (2, 2, 1, 3)
    assert first["code_share"] == pytest.approx(16 / 56)  # `a` and the fenced block, with their marks
    assert (second["body_length"], second["code_share"], second["links"], second["tags"]) == (0, 0, 0, 1)


def test_time_is_unknown_where_it_is(questions):
    assert time_features(questions, Sample.of(questions)).rows() == [(18.5, 0.0), (None, None)]
    nothing = questions.with_columns(created=pl.lit(None, pl.Datetime("us")))
    assert time_features(nothing, Sample.of(nothing)).rows() == [(None, None), (None, None)]


def test_age_counts_from_the_newest_question_of_the_sample(questions):
    dated = questions.with_columns(created=pl.Series([datetime(2020, 1, 1), datetime(2021, 1, 1)]))
    sample = Sample.of(dated)
    assert controls(dated, sample)["age"].to_list() == pytest.approx([366 / 365.25, 0])
    assert controls(dated[:1], sample)["age"].to_list() == pytest.approx([366 / 365.25])
    later = dated[:1].with_columns(created=pl.Series([datetime(2022, 1, 1)]))
    assert time_features(later, sample)["age"].to_list() == pytest.approx([-365 / 365.25])


def test_each_stratum_is_a_column_and_none_is_none_of_them(questions):
    assert controls(questions, Sample.of(questions))["stratum top"].to_list() == [1.0, 0.0]
    unknown = questions.with_columns(stratum=pl.lit(None, pl.String))
    assert controls(unknown, Sample.of(unknown)).columns == ["age"]


def test_the_columns_are_those_of_the_sample_whatever_the_questions_are(questions):
    others = questions.with_columns(stratum=pl.lit("bottom"))
    assert controls(others, Sample.of(questions)).drop("age").to_dict(as_series=False) == {"stratum top": [0.0, 0.0]}


def test_all_features_are_numbers_of_one_kind(questions):
    sample = Sample.of(questions)
    for features in (text_features(questions), time_features(questions, sample), controls(questions, sample)):
        assert set(features.dtypes) == {pl.Float32}
