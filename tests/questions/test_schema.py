import polars as pl
import pytest

from stackstudy.questions.columns import SCHEMA
from stackstudy.questions.ingest import ingest
from stackstudy.questions.schema import check_questions, read_questions, row_hash


@pytest.fixture
def table(tmp_path, make):
    source = make.posts(tmp_path / "beer" / "Posts.xml", [make.question(number) for number in range(1, 9)])
    ingest([source], tmp_path / "questions.parquet")
    return read_questions(tmp_path / "questions.parquet")


def test_what_ingest_writes_keeps_the_schema(table):
    assert table.columns == SCHEMA.names
    assert table.schema["created"] == pl.Datetime("us")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (pl.lit([], pl.List(pl.String)).alias("tags"), "row 0, column tags: .*at least one"),
        (pl.lit(["a", "a"]).alias("tags"), "row 0, column tags: .*repeat"),
        (pl.lit(["A"]).alias("tags"), "row 0, column tags: .*lower case"),
        (pl.lit(" ").alias("title"), "row 0, column title: .*needs a title"),
        (pl.lit("train2").alias("split"), "row 0, column split: .*'train2'"),
        (pl.lit(1).cast(pl.Int64).alias("question_id"), "column (group|question_id)"),
        (pl.lit(None, pl.Int32).alias("score"), "score"),
        (pl.col("score").cast(pl.Float64), "score"),
        (pl.lit(1).alias("extra"), "extra"),
    ],
)
def test_a_broken_rule_names_file_row_and_column(table, change, message):
    with pytest.raises(ValueError, match=f"^here.parquet: .*{message}"):
        check_questions(table.with_columns(change), "here.parquet")


def test_no_table_or_no_parquet(tmp_path):
    with pytest.raises(FileNotFoundError, match="no question table here"):
        read_questions(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("not parquet")
    with pytest.raises(ValueError, match=r"text.parquet: not a readable parquet"):
        read_questions(tmp_path / "text.parquet")


def test_row_hash_depends_on_rows_and_order_only(table):
    assert row_hash(table) == row_hash(table.with_columns(title=pl.lit("other")))
    assert row_hash(table) != row_hash(table.reverse())
    assert row_hash(table) != row_hash(table.with_columns(site=pl.lit("wine")))
