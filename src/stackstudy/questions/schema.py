"""The question table: its columns, their check, and the hash that ties other files to its rows."""

import hashlib
from pathlib import Path

import pandera.polars as pa
import polars as pl
import pyarrow
import pyarrow.parquet

from stackstudy.questions.columns import SCHEMA, SPLITS

_TAGS = pl.col("tags")
_RULES = {
    "tags": (_TAGS.list.len() >= 1, "a question needs at least one tag"),
    "tags ": (_TAGS.list.n_unique() == _TAGS.list.len(), "a tag may not repeat within a question"),
    "tags  ": (_TAGS.list.eval(pl.element().str.to_lowercase()) == _TAGS, "tags are lower case"),
    "title": (pl.col("title").str.strip_chars() != "", "a question needs a title"),
    "group": (pl.col("group") <= pl.col("question_id"), "a group is the smallest question_id of its questions"),
    "split": (pl.col("split").is_in(SPLITS), f"a split is one of {', '.join(SPLITS)}"),
    "question_id": (pl.struct("site", "question_id").is_unique(), "a question_id may not repeat within a site"),
}

_CHECK = pa.DataFrameSchema(
    {
        field.name: pa.Column(dtype, nullable=field.nullable)
        for field, dtype in zip(SCHEMA, pl.from_arrow(SCHEMA.empty_table()).dtypes, strict=True)
    },
    strict=True,
    ordered=True,
)


def check_questions(questions: pl.DataFrame, source: str) -> pl.DataFrame:
    """Return `questions` unchanged if they keep the schema; a ValueError that names `source`, row and column if not."""
    try:
        _CHECK.validate(questions)
    except pa.errors.SchemaError as error:
        raise ValueError(f"{source}: no question table: {str(error).splitlines()[0]}") from error
    for column, (rule, meaning) in _RULES.items():
        if broken := questions.select((~rule).arg_true()).to_series().head(1).to_list():
            value = questions[column.strip()][broken[0]]
            value = value.to_list() if isinstance(value, pl.Series) else value
            raise ValueError(f"{source}: row {broken[0]}, column {column.strip()}: {meaning}, found {value!r}")
    return questions


def read_questions(path: str | Path) -> pl.DataFrame:
    """Read and check a question table; row numbers everywhere are positions (0-based) in it."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no question table here; make one with: stackstudy ingest SOURCE --out {path}")
    try:
        table = pyarrow.parquet.read_table(path)
    except pyarrow.ArrowInvalid as error:
        raise ValueError(f"{path}: not a readable parquet file: {error}") from error
    return check_questions(pl.from_arrow(table), str(path))


def row_hash(questions: pl.DataFrame) -> str:
    """Return the sha256 over (site, question_id) in row order; whatever belongs to these rows carries it."""
    digest = hashlib.sha256()
    for part in questions.select("site", "question_id").iter_slices(65_536):
        digest.update("".join(f"{site}\t{number}\n" for site, number in part.iter_rows()).encode())
    return digest.hexdigest()
