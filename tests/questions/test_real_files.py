"""Real files, where they are at hand: counts made another way must agree with those of ingest."""

import csv
import os
import re
from pathlib import Path

import polars as pl
import pytest

from stackstudy.questions.ingest import ingest
from stackstudy.questions.schema import read_questions

DATA = Path(os.environ.get("STACKSTUDY_DATA") or Path(__file__).parents[3] / "shared" / "data")
pytestmark = pytest.mark.skipif(not (DATA / "beer-Posts.xml").exists(), reason="real data are not here")


def test_dump(tmp_path):
    text = (DATA / "beer-Posts.xml").read_text(encoding="utf-8-sig")
    report = ingest([DATA / "beer-Posts.xml"], tmp_path / "q.parquet")
    assert report.questions == len(re.findall(r'<row Id="\d+" PostTypeId="1"', text))
    assert report.answers == len(re.findall(r'<row Id="\d+" PostTypeId="2"', text))
    assert not report.rejected
    table = read_questions(tmp_path / "q.parquet")
    accepted = table.filter(pl.col("accepted_answer_id").is_not_null())
    assert accepted["accepted_answer_created"].null_count() == 0
    assert not table["body"].str.contains("</?(p|li|a|code|pre)>").any()


def test_data_explorer(tmp_path):
    with (DATA / "sede-QueryResults.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["PostTypeId"] == "1"]
    report = ingest([DATA / "sede-QueryResults.csv"], tmp_path / "q.parquet", site="stackoverflow")
    assert report.questions + sum(report.rejected.values()) == len(rows)
    assert report.questions == len({row["Id"] for row in rows if row["Tags"] and row["Title"]})


@pytest.mark.parametrize("name", ["stackoverflow.parquet", "stackoverflow-titles.parquet"])
def test_parquet(tmp_path, name):
    every = pl.read_parquet(DATA / name)
    source = every.filter(pl.col("tags").list.len() > 0)
    report = ingest([DATA / name], tmp_path / "q.parquet")
    assert report.questions == len(source)
    assert sum(report.rejected.values()) == len(every) - len(source)
    table = read_questions(tmp_path / "q.parquet")
    assert table["question_id"].to_list() == source["id"].to_list()
    assert table["score"].to_list() == source["score"].to_list()
    assert table["tags"].to_list() == [[tag.lower() for tag in tags] for tags in source["tags"].to_list()]
