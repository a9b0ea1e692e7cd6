"""Tables of questions: Data Explorer and StackSample CSV files, and parquet files."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from stackstudy.questions.columns import PARSED
from stackstudy.questions.records import POSTS_COLUMNS, Batch, Parsed

ROWS_PER_BATCH = 2_000
_BLOCK = 1 << 20
_NEEDED_IN_CSV = ("Id", "Title", "Body", "Score")
_NEEDED_IN_PARQUET = ("question_id", "title", "tags", "score")
_ALIASES = {"question_id": "id", "stratum": "sampling"}

csv.field_size_limit(1 << 30)


def csv_batches(path: Path, label: str, optional: Sequence[str] = ()) -> Iterator[list[dict[str, Any] | str]]:
    """Yield raw rows of a CSV with the columns of the Posts table; a row that cannot be one is its reason instead.

    Without a `Tags` column the tags come from the ``Tags.csv`` beside it (columns Id and Tag, as in StackSample).
    A missing column that is not `optional`, or a broken quote, is a ValueError.
    """
    tags_path = path.with_name("Tags.csv")
    stacksample = "Tags" not in _csv_header(path, label) and tags_path.exists()
    encoding = "latin-1" if stacksample and not _is_utf8(path) else "utf-8-sig"
    tags = TagLists(tags_path) if stacksample else None
    needed = _NEEDED_IN_CSV + (() if stacksample else ("Tags",))
    may_lack = {POSTS_COLUMNS[name] for name in optional}
    for rows in _chunks(_csv_rows(path, label, encoding, [name for name in needed if name not in may_lack])):
        if tags is not None:
            tags.add_to([row for row in rows if isinstance(row, dict)])
        yield rows


def read_csv_rows(rows: list[dict[str, Any] | str], batch: Batch) -> Parsed:
    """Parse what `csv_batches` yields."""
    for row in rows:
        if isinstance(row, str):
            batch.reject(None, "row", row)
        else:
            batch.add(row, html=True)
    return batch.parsed()


def parquet_batches(path: Path, label: str, site: str | None, optional: Sequence[str] = ()) -> Iterator[pa.RecordBatch]:
    """Yield record batches of a question parquet.

    A missing column that is not `optional`, or one of a wrong type, is a ValueError.
    """
    file = _open_parquet(path, label)
    names = parquet_names(file.schema_arrow.names)
    for column in _NEEDED_IN_PARQUET + (() if site else ("site",)):
        if column not in names and column not in optional:
            hint = " (or name the site with --site)" if column == "site" else ""
            raise ValueError(f"{label}: column {_ALIASES.get(column, column)!r} is missing{hint}; found {_found(file)}")
    for column in {"title", "body"} & names.keys():
        dtype = file.schema_arrow.field(names[column]).type
        if not (pa.types.is_string(dtype) or pa.types.is_large_string(dtype)):
            raise ValueError(f"{label}: column {names[column]!r} is {dtype}, but must be text")
    wanted = [name for name in file.schema_arrow.names if name in {*names.values(), "body_is_html"}]
    yield from file.iter_batches(ROWS_PER_BATCH, columns=wanted)


def parquet_size(path: Path) -> int:
    """Return the bytes of all row groups unpacked."""
    metadata = _open_parquet(path, str(path)).metadata
    return sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))


def parquet_names(columns: list[str]) -> dict[str, str]:
    """Return which column of a parquet holds which of ours."""
    options = {ours: (ours, _ALIASES.get(ours)) for ours in PARSED.names}
    return {ours: name for ours, names in options.items() for name in names if name in columns}


def read_parquet_rows(rows: pa.RecordBatch, batch: Batch) -> Parsed:
    """Parse what `parquet_batches` yields; bodies are HTML where a column `body_is_html` says so."""
    html = "body_is_html" in rows.schema.names
    for row in _microseconds(rows).to_pylist():
        batch.add(row, html=html)
    return batch.parsed()


class TagLists:
    """The tags of StackSample's Tags.csv, as arrays sorted by question: a few bytes per tag, not a Python list."""

    def __init__(self, path: Path) -> None:
        try:
            options = pyarrow.csv.ConvertOptions(
                column_types={"Id": pa.int64(), "Tag": pa.string()}, include_columns=["Id", "Tag"], null_values=[]
            )
            table = pyarrow.csv.read_csv(path, convert_options=options)
        except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
            raise ValueError(f"{path.name}: the columns Id and Tag cannot be read: {error}") from error
        table = table.combine_chunks()
        order = np.argsort(table["Id"].to_numpy(), kind="stable")
        self.questions = table["Id"].to_numpy()[order]
        self.tags = pc.dictionary_encode(table["Tag"]).combine_chunks().take(pa.array(order))

    def add_to(self, rows: list[dict[str, Any]]) -> None:
        """Put a list under `Tags` into each row; an Id that is no number is left for the check of the row."""
        for row in rows:
            if row["Id"].isdecimal():
                begin, end = np.searchsorted(self.questions, [int(row["Id"]), int(row["Id"]) + 1])
                row["Tags"] = self.tags[begin:end].to_pylist()


def _csv_header(path: Path, label: str) -> list[str]:
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        header = next(csv.reader(file), None)
    if not header:
        raise ValueError(f"{label}: the file is empty")
    return header


def _csv_rows(path: Path, label: str, encoding: str, needed: list[str]) -> Iterator[dict[str, Any] | str]:
    header = _csv_header(path, label)
    for column in needed:
        if column not in header:
            raise ValueError(f"{label}: column {column!r} is missing in line 1; found {', '.join(header)}")
    with path.open(encoding=encoding, errors="surrogateescape", newline="") as file:
        reader = csv.reader(file, strict=True)
        next(reader)
        try:
            for values in reader:
                if values:  # a blank line is no row
                    yield _csv_row(header, values)
        except csv.Error as error:
            raise ValueError(f"{label}, line {reader.line_num}: broken or truncated CSV: {error}") from error


def _csv_row(header: list[str], values: list[str]) -> dict[str, Any] | str:
    if len(values) != len(header):
        return f"{len(values)} columns instead of {len(header)}"
    try:
        "".join(values).encode()
    except UnicodeEncodeError:  # surrogateescape left what could not be decoded
        return "bytes that are not UTF-8"
    return dict(zip(header, values, strict=True))


def _is_utf8(path: Path) -> bool:
    with path.open(encoding="utf-8") as file:
        try:
            while file.read(_BLOCK):
                pass
        except UnicodeDecodeError:
            return False
    return True


def _chunks(rows: Iterator[Any]) -> Iterator[list[Any]]:
    chunk = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == ROWS_PER_BATCH:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _open_parquet(path: Path, label: str) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{label}: not a readable parquet file: {error}") from error


def _found(file: pq.ParquetFile) -> str:
    return ", ".join(file.schema_arrow.names)


def _microseconds(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Bring times to microseconds, the finest that Python's datetime holds."""

    def coarser(field: pa.Field) -> pa.Field:
        return field.with_type(pa.timestamp("us", field.type.tz)) if pa.types.is_timestamp(field.type) else field

    return rows.cast(pa.schema([coarser(field) for field in rows.schema]), safe=False)
