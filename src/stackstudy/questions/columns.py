"""The columns of the question table; apart from `schema`, so that reading workers start without polars and pandera."""

import pyarrow

_TEXT, _TIME, _INT32, _INT64 = pyarrow.string(), pyarrow.timestamp("us"), pyarrow.int32(), pyarrow.int64()

SCHEMA = pyarrow.schema(
    [
        pyarrow.field("question_id", _INT64, nullable=False),
        pyarrow.field("site", _TEXT, nullable=False),
        pyarrow.field("title", _TEXT, nullable=False),
        pyarrow.field("body", _TEXT, nullable=False),
        pyarrow.field("tags", pyarrow.list_(_TEXT), nullable=False),
        pyarrow.field("score", _INT32, nullable=False),
        pyarrow.field("created", _TIME),
        pyarrow.field("answer_count", _INT32),
        pyarrow.field("accepted_answer_id", _INT64),
        pyarrow.field("accepted_answer_created", _TIME),
        pyarrow.field("view_count", _INT32),
        pyarrow.field("stratum", _TEXT),
        pyarrow.field("group", _INT64, nullable=False),
        pyarrow.field("split", _TEXT, nullable=False),
    ]
)
"""Times are UTC without a zone; `tags` are lower case and do not repeat; `group` is the smallest `question_id` among
the exact and near-duplicates, and two questions with the same `group` are always in the same `split`."""

PARSED = pyarrow.schema([column for column in SCHEMA if column.name not in ("group", "split")])
"""What one source can tell: the question table without what takes all of its rows."""

LABELS = ("tags", "score")
"""What systems predict: a new question may lack it (no tags, a null score), one to learn from may not."""

UNLABELLED = pyarrow.schema([column.with_nullable(column.nullable or column.name in LABELS) for column in SCHEMA])
"""The table of questions of which some lack labels."""

SPLITS = ("train", "validation", "test")
