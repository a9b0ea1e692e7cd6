import json
from datetime import datetime

import polars as pl
import pytest

from stackstudy.questions import sources, tables
from stackstudy.questions.columns import LABELS
from stackstudy.questions.ingest import ingest
from stackstudy.questions.schema import read_questions
from stackstudy.questions.split import split_of


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out" / "questions.parquet"


def rejects(report):
    return [json.loads(line) for line in report.rejects_path.read_text(encoding="utf-8").splitlines()]


def test_a_question_arrives_whole(tmp_path, out, make):
    posts = [
        make.question(7, AcceptedAnswerId=9, Title="What is a &amp; b?", Body="<p>x &amp;&lt; <code>y</code></p>"),
        make.answer(9, 7),
        make.question(8, AnswerCount=None, ViewCount=None, CreationDate=None),
        make.answer(10, 8),
        make.answer(11, 8),
        {"Id": 12, "PostTypeId": 5, "Body": "a wiki page"},
    ]
    report = ingest([make.posts(tmp_path / "beer.stackexchange.com" / "Posts.xml", posts)], out)
    first, second = read_questions(out).to_dicts()
    assert first == {
        "question_id": 7,
        "site": "beer.stackexchange.com",
        "title": "What is a &amp; b?",
        "body": "x &< `y`",
        "tags": ["python", "c++"],
        "score": -1,
        "created": datetime(2020, 2, 3, 4, 5, 6, 700_000),
        "answer_count": 0,
        "accepted_answer_id": 9,
        "accepted_answer_created": datetime(2020, 2, 4),
        "view_count": 70,
        "stratum": None,
        "group": 7,
        "split": split_of(pl.Series([7]).to_numpy())[0],
    }
    assert (second["answer_count"], second["view_count"], second["created"]) == (2, None, None)
    assert (report.questions, report.answers, report.rejected, report.groups) == (2, 3, {}, 2)
    assert sum(report.splits.values()) == 2


def test_single_bad_rows_are_left_out_and_listed(tmp_path, out, make):
    bad = {
        2: ({"Score": "many"}, "Score", "not an integer"),
        3: ({"Tags": None}, "Tags", "missing"),
        4: ({"Tags": "<a><b"}, "Tags", "unreadable tags"),
        5: ({"Title": " "}, "Title", "missing"),
        6: ({"CreationDate": "yesterday"}, "CreationDate", "not a time"),
        7: ({"Score": 2**40}, "Score", "out of range"),
        8: ({"Score": None}, "Score", "missing"),
        9: ({"PostTypeId": None}, "PostTypeId", "missing"),
    }
    posts = [make.question(1, Body=None), *(make.question(number, **bad[number][0]) for number in bad)]
    posts += [make.question(1, Title="An id that comes again")]
    report = ingest([make.posts(tmp_path / "Posts.xml", posts)], out, site="beer")
    assert read_questions(out)["question_id"].to_list() == [1]
    assert read_questions(out)["body"].to_list() == [""]  # an empty body is allowed
    found = rejects(report)
    assert [(line["id"], line["field"], line["reason"]) for line in found[:-1]] == [
        (str(number), field, reason) for number, (_, field, reason) in bad.items()
    ]
    assert found[0] == {
        "file": str(tmp_path / "Posts.xml"),
        "row": 2,
        "id": "2",
        "field": "Score",
        "reason": "not an integer",
    }
    assert (found[-1]["row"], found[-1]["field"], found[-1]["reason"]) == (10, "question_id", "repeated")
    assert sum(report.rejected.values()) == 9
    assert report.rejected["Score: not an integer"] == 1


def test_bytes_that_are_not_utf8_cost_one_row(tmp_path, out, make):
    posts = [make.question(number) for number in range(1, 4)]
    path = make.posts(tmp_path / "beer" / "Posts.xml", posts)
    path.write_bytes(path.read_bytes().replace(b"Why does item 2", b"Why \xe9 item 2"))
    report = ingest([path], out)
    assert read_questions(out)["question_id"].to_list() == [1, 3]
    assert [(line["id"], line["row"], line["reason"]) for line in rejects(report)] == [
        ("2", 2, "bytes that are not UTF-8")
    ]


def test_replacement_characters_stay_and_are_counted(tmp_path, out, make):
    posts = [make.question(1, Title="caf\ufffd"), make.question(2)]
    report = ingest([make.posts(tmp_path / "beer" / "Posts.xml", posts)], out)
    assert read_questions(out)["title"][0] == "caf\ufffd"
    assert report.replacement_characters == 1


WHOLE_FILE_FAULTS = {
    "truncated": (lambda data: data[: len(data) * 2 // 3], r"Posts.xml, line 4: invalid or truncated XML"),
    "cut between rows": (
        lambda data: data.replace(b"</posts>\n", b""),
        r"line 6: invalid or truncated XML: [^0-9]+$",
    ),
    "invalid": (lambda data: data.replace(b'Id="2"', b"Id=2"), r"Posts.xml, line 4: invalid or truncated XML"),
    "empty": (lambda _: b"", "the file is empty"),
    "no rows": (lambda _: b"<posts></posts>", "holds no rows"),
    "users": (lambda data: data.replace(b"posts>", b"users>"), "root element is <users>"),
    "no xml": (lambda _: b"hello", "no root element"),
    "bomb": (lambda data: data.replace(b"<posts>", b'<!DOCTYPE p [<!ENTITY a "b">]><posts>'), "document type"),
    "all bad": (
        lambda data: data.replace(b"Title=", b"Name="),
        r"all 3 questions were rejected.* row 1 .*Title: missing",
    ),
}


@pytest.mark.parametrize("fault", WHOLE_FILE_FAULTS)
def test_a_fault_of_the_file_is_an_error_and_the_old_table_stays(tmp_path, out, make, fault):
    damage, message = WHOLE_FILE_FAULTS[fault]
    path = make.posts(tmp_path / "beer" / "Posts.xml", [make.question(number) for number in (1, 2, 3)])
    ingest([path], out)
    before = [(file.name, file.read_bytes()) for file in sorted(out.parent.iterdir())]
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=message) as caught:
        ingest([path], out)
    assert str(path) in str(caught.value)
    assert [(file.name, file.read_bytes()) for file in sorted(out.parent.iterdir())] == before


def test_duplicates_share_group_and_split(tmp_path, out, make):
    words = " ".join(f"word{number}" for number in range(60))
    posts = [
        make.question(5, Title="Same", Body=words),
        make.question(3, Title="same", Body=words),  # the same but for case
        make.question(9, Title="Same", Body=words.replace("word30", "other")),
        make.question(4),
    ]
    report = ingest([make.posts(tmp_path / "beer" / "Posts.xml", posts)], out)
    table = read_questions(out)
    assert table["question_id"].to_list() == [5, 3, 9, 4]  # the order of the source
    assert table["group"].to_list() == [3, 3, 3, 4]
    assert table["split"][:3].n_unique() == 1
    assert (report.exact_duplicates, report.near_duplicates, report.groups) == (1, 1, 2)


def test_new_rows_move_no_old_one(tmp_path, out, make):
    posts = [make.question(number) for number in range(1, 200)]
    ingest([make.posts(tmp_path / "beer" / "Posts.xml", posts[50:150])], out)
    few = read_questions(out)
    ingest([make.posts(tmp_path / "beer" / "Posts.xml", posts)], out)
    both = few.join(read_questions(out), on="question_id")
    assert len(both) == 100
    unchanged = both.filter(pl.col("group") == pl.col("group_right"))
    assert unchanged["split"].equals(unchanged["split_right"].alias("split"))
    assert len(unchanged) == 100


def test_result_depends_on_neither_workers_nor_pieces(tmp_path, out, make, monkeypatch):
    posts = []
    for number in range(1, 120):
        posts.append(make.question(number, AcceptedAnswerId=1_000 + number, Score="?" if number % 40 == 0 else 1))
        posts.append(make.answer(1_000 + number, number))
    path = make.posts(tmp_path / "beer" / "Posts.xml", posts)
    reports, written = [], []
    for workers, size in ((1, sources.RANGE_BYTES), (1, 2_000), (2, 2_000), (2, 2_000)):
        monkeypatch.setattr(sources, "RANGE_BYTES", size)
        reports.append(ingest([path], out, workers=workers))
        written.append((out.read_bytes(), reports[-1].rejects_path.read_bytes()))
    assert reports[0].questions == 117
    assert reports == [reports[0]] * 4
    assert written == [written[0]] * 4
    assert read_questions(out)["accepted_answer_created"].null_count() == 0


def test_an_error_in_a_worker_names_file_and_line(tmp_path, out, make, monkeypatch):
    path = make.posts(tmp_path / "beer" / "Posts.xml", [make.question(number) for number in range(1, 60)])
    path.write_bytes(path.read_bytes().replace(b'Id="50"', b"Id=50"))
    monkeypatch.setattr(sources, "RANGE_BYTES", 2_000)
    with pytest.raises(ValueError, match=r"Posts.xml, line 52: invalid"):
        ingest([path], out, workers=2)
    assert not any(out.parent.iterdir())


def test_two_sites_may_use_the_same_id(tmp_path, out, make):
    for site, title in (("beer", "Ale"), ("wine", "Merlot")):
        posts = [make.question(1, Title=title, AcceptedAnswerId=2), make.answer(2, 1)]
        make.posts(tmp_path / "sites" / site / "Posts.xml", posts)
    report = ingest([tmp_path / "sites"], out)
    table = read_questions(out)
    assert table.select("site", "title").rows() == [("beer", "Ale"), ("wine", "Merlot")]
    assert (report.questions, report.answers, report.rejected) == (2, 2, {})
    with pytest.raises(ValueError, match="holds 2 sites"):
        ingest([tmp_path / "sites"], out, site="beer")


def test_rows_keeps_the_first_and_still_finds_their_answers(tmp_path, out, make):
    posts = [make.question(1, AcceptedAnswerId=8), make.question(2), make.question(3), make.answer(8, 1)]
    assert ingest([make.posts(tmp_path / "beer" / "Posts.xml", posts)], out, rows=2).questions == 2
    assert read_questions(out)["accepted_answer_created"].to_list() == [datetime(2020, 2, 4), None]


def test_own_table_is_a_source_and_comes_out_the_same(tmp_path, out, make):
    posts = [make.question(number, Body="<p>1 &lt; 2</p><pre>a  b</pre>") for number in range(1, 9)]
    ingest([make.posts(tmp_path / "beer" / "Posts.xml", posts)], out)
    again = tmp_path / "again" / "questions.parquet"
    ingest([out], again)
    assert again.read_bytes() == out.read_bytes()


@pytest.mark.parametrize("similarity", [0, -1, 1.5])
def test_similarity_must_be_a_share(tmp_path, out, make, similarity):
    path = make.posts(tmp_path / "beer" / "Posts.xml", [make.question(1)])
    with pytest.raises(ValueError, match="near_duplicate_similarity"):
        ingest([path], out, near_duplicate_similarity=similarity)


def test_planted(out):
    report = ingest(["planted"], out, rows=300, seed=4)
    assert report.questions == 300
    first = out.read_bytes()
    ingest(["planted"], out, rows=300, seed=4)
    assert out.read_bytes() == first
    assert set(read_questions(out)["site"]) == {"planted"}
    with pytest.raises(ValueError, match="--rows"):
        ingest(["planted"], out)


def test_planted_dump_reads_back_as_planted(tmp_path, out):
    from stackstudy.questions.planted import write_dump

    write_dump(tmp_path / "planted" / "Posts.xml", 300, seed=4)
    ingest([tmp_path / "planted" / "Posts.xml"], out)
    from_dump = read_questions(out)
    ingest(["planted"], out, rows=300, seed=4)
    direct = read_questions(out)
    same = ["question_id", "title", "tags", "score", "answer_count", "accepted_answer_id", "view_count"]
    assert from_dump.select(same).equals(direct.select(same))
    assert from_dump["body"].equals(direct["body"])


def test_rows_in_several_batches_of_a_table_keep_their_row_numbers(tmp_path, out, make, monkeypatch):
    monkeypatch.setattr(tables, "ROWS_PER_BATCH", 3)
    posts = [make.question(number, Score="?" if number == 8 else 1) for number in range(1, 11)]
    report = ingest([make.csv(tmp_path / "beer.csv", posts)], out)
    assert [(line["row"], line["id"]) for line in rejects(report)] == [(8, "8")]


@pytest.fixture
def unlabelled(tmp_path, make):
    """The same three questions, of which some lack labels, in every form that there is."""
    posts = [make.question(1), make.question(2, Tags=None), make.question(3, Tags=None, Score=None)]
    rows = [{"question_id": post["Id"], "site": "beer", "title": post["Title"], "body": ""} for post in posts]
    pl.DataFrame(rows).write_parquet(tmp_path / "bare.parquet")
    columns = [name for name in make.columns if name not in ("Score", "Tags")]
    return {
        "some": make.posts(tmp_path / "beer" / "Posts.xml", posts),
        "csv": make.csv(tmp_path / "bare.csv", posts, columns),
        "parquet": tmp_path / "bare.parquet",
    }


def test_labels_that_are_optional_may_be_missing(unlabelled, out):
    report = ingest([unlabelled["some"]], out, optional=LABELS)
    assert (report.questions, report.rejected) == (3, {})
    assert pl.read_parquet(out)["tags"].to_list() == [["python", "c++"], [], []]
    assert pl.read_parquet(out)["score"].to_list() == [0, 1, None]
    for kind in ("csv", "parquet"):
        assert ingest([unlabelled[kind]], out, site="beer", optional=LABELS).questions == 3
        assert pl.read_parquet(out).select("question_id", pl.col("tags").list.len(), "score").rows() == [
            (number, 0, None) for number in (1, 2, 3)
        ]


def test_each_label_is_needed_unless_it_is_optional(unlabelled, out):
    assert ingest([unlabelled["some"]], out, optional=("score",)).rejected == {"Tags: missing": 2}
    assert read_questions(out)["question_id"].to_list() == [1]
    assert ingest([unlabelled["some"]], out, optional=("tags",)).rejected == {"Score: missing": 1}
    with pytest.raises(ValueError, match=r"bare.csv: column 'Tags' is missing in line 1"):
        ingest([unlabelled["csv"]], out, optional=("score",))
    with pytest.raises(ValueError, match=r"bare.parquet: column 'score' is missing"):
        ingest([unlabelled["parquet"]], out, optional=("tags",))
    with pytest.raises(ValueError, match=r"bare.parquet: column 'tags' is missing"):
        ingest([unlabelled["parquet"]], out)


def test_labels_that_are_there_are_checked_though_optional(tmp_path, out, make):
    posts = [make.question(1), make.question(2, Tags="<a><b"), make.question(3, Score="many")]
    report = ingest([make.posts(tmp_path / "beer" / "Posts.xml", posts)], out, optional=LABELS)
    assert report.rejected == {"Score: not an integer": 1, "Tags: unreadable tags": 1}
