import polars as pl
import pytest

from stackstudy.questions.ingest import ingest
from stackstudy.questions.schema import read_questions


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out" / "questions.parquet"


def test_data_explorer_csv(tmp_path, out, make):
    body = '<p>She said "no",\n\nthen left.</p>\r\n<pre><code>a\n\nb\n</code></pre>'
    posts = [make.question(1, Body=body, CreationDate="2008-08-02 08:19:18"), make.answer(2, 1), make.question(3)]
    report = ingest([make.csv(tmp_path / "beer-QueryResults.csv", posts)], out)
    first = read_questions(out).row(0, named=True)
    assert first["body"] == 'She said "no", then left.\n```\na\n\nb\n```'
    assert (first["site"], str(first["created"])) == ("beer", "2008-08-02 08:19:18")
    assert (report.questions, report.answers) == (2, 1)


@pytest.mark.parametrize("column", ["Id", "Title", "Body", "Tags", "Score"])
def test_a_missing_column_is_named(tmp_path, out, make, column):
    path = make.csv(tmp_path / "beer.csv", [make.question(1)], [name for name in make.columns if name != column])
    with pytest.raises(ValueError, match=f"beer.csv: column '{column}' is missing in line 1"):
        ingest([path], out)


def test_broken_csv(tmp_path, out, make):
    path = make.csv(tmp_path / "beer.csv", [make.question(number) for number in range(1, 5)])
    path.write_text(path.read_text(encoding="utf-8")[:-40], encoding="utf-8")
    with pytest.raises(ValueError, match=r"beer.csv, line \d+: broken or truncated CSV"):
        ingest([path], out)
    path.write_text("")
    with pytest.raises(ValueError, match=r"beer.csv: the file is empty"):
        ingest([path], out)


def test_bad_csv_rows_are_left_out(tmp_path, out, make):
    path = make.csv(tmp_path / "beer.csv", [make.question(number) for number in range(1, 4)])
    data = path.read_bytes().replace(b"Why does item 2", b"Why \xff item 2")
    path.write_bytes(data + b'"too","short"\n')
    report = ingest([path], out)
    assert report.questions == 2
    assert report.rejected == {"row: 2 columns instead of 11": 1, "row: bytes that are not UTF-8": 1}


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_stacksample(tmp_path, out, make, encoding):
    folder = tmp_path / "stacksample"
    folder.mkdir()
    posts = [make.question(80, Title="Café au lait?", CreationDate="2008-08-01T13:57:07Z"), make.question(90)]
    posts += [make.question(100)]
    columns = ["Id", "OwnerUserId", "CreationDate", "ClosedDate", "Score", "Title", "Body"]
    make.csv(folder / "Questions.csv", posts, columns, encoding)
    (folder / "Tags.csv").write_text("Id,Tag\n90,c#\n80,null\n80,Flex\n80,.net\n", encoding="latin-1")
    for source in (folder, folder / "Questions.csv"):
        report = ingest([source], out)
        table = read_questions(out)
        assert table["tags"].to_list() == [["null", "flex", ".net"], ["c#"]]
        assert table["title"][0] == "Café au lait?"
        assert table["answer_count"].to_list() == [None, None]  # this file knows nothing about answers
        assert report.rejected == {"Tags: missing": 1}


def exported(rows):
    """Questions in the columns of another export, where bodies may be HTML."""
    return pl.DataFrame(
        {
            "id": range(1, rows + 1),
            "site": "beer",
            "title": [f"Title {number}" for number in range(rows)],
            "body": [f"<p>{number} &lt; 3</p>" for number in range(rows)],
            "body_is_html": [number % 2 == 0 for number in range(rows)],
            "tags": [["Hops", "ale"]] * rows,
            "score": range(rows),
            "created": ["1/31/2009 2:26", "2014-01-21T20:26:05.383"] * (rows // 2),
            "sampling": "newest",
        }
    )


def test_parquet_of_another_export(tmp_path, out):
    exported(4).write_parquet(tmp_path / "q.parquet")
    ingest([tmp_path / "q.parquet"], out)
    table = read_questions(out)
    assert table["body"].to_list() == ["0 < 3", "<p>1 &lt; 3</p>", "2 < 3", "<p>3 &lt; 3</p>"]
    assert table["tags"][0].to_list() == ["hops", "ale"]
    assert table["stratum"].unique().to_list() == ["newest"]
    assert str(table["created"][0]) == "2009-01-31 02:26:00"


def test_parquet_without_bodies(tmp_path, out):
    exported(4).drop("body", "body_is_html").write_parquet(tmp_path / "q.parquet")
    ingest([tmp_path / "q.parquet"], out)
    assert read_questions(out)["body"].to_list() == [""] * 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (pl.exclude("title"), "q.parquet: column 'title' is missing"),
        (pl.exclude("id"), "q.parquet: column 'id' is missing"),
        (pl.exclude("site"), "q.parquet: column 'site' is missing .*--site"),
        (pl.all().exclude("title"), "q.parquet: column 'title' is missing"),
    ],
)
def test_parquet_columns(tmp_path, out, change, message):
    exported(4).select(change).write_parquet(tmp_path / "q.parquet")
    with pytest.raises(ValueError, match=message):
        ingest([tmp_path / "q.parquet"], out)


def test_parquet_with_the_wrong_types(tmp_path, out):
    exported(4).with_columns(title=pl.lit(3)).write_parquet(tmp_path / "q.parquet")
    with pytest.raises(ValueError, match="column 'title' is int32, but must be text"):
        ingest([tmp_path / "q.parquet"], out)
    exported(4).with_columns(score=pl.Series([1.0, 2.5, float("nan"), None])).write_parquet(tmp_path / "q.parquet")
    report = ingest([tmp_path / "q.parquet"], out)
    assert report.rejected == {"score: missing": 1, "score: not an integer": 2}


def test_no_parquet(tmp_path, out):
    (tmp_path / "q.parquet").write_text("words")
    with pytest.raises(ValueError, match=r"q.parquet: not a readable parquet file"):
        ingest([tmp_path / "q.parquet"], out)
