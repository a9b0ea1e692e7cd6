"""Progress lines, and what the status makes of them."""

import math

import pytest

from stackstudy.runs import progress
from stackstudy.runs.status import _reported


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("STACKSTUDY_RUN_DIR", str(tmp_path))
    monkeypatch.setattr(progress, "_state", progress._State())
    return tmp_path


def test_first_and_last_are_written_and_few_between(folder, capsys):
    for step in range(10_001):
        progress.report("embed", step, 10_000, loss=1 / (step + 1))
    lines = progress.read(folder / "progress.jsonl")
    assert (lines[0]["done"], lines[-1]["done"]) == (0, 10_000)
    assert len(lines) < 50
    assert lines[0]["values"] == {"loss": 1.0}
    assert capsys.readouterr() == ("", "")


def test_each_stage_and_each_pass_through_it_has_its_first_and_last(folder):
    for _ in range(2):
        for step in range(4):
            progress.report("train", step, 3)
    progress.report("test", 0, 1)
    lines = progress.read(folder / "progress.jsonl")
    assert [(line["stage"], line["done"]) for line in lines] == [("train", 0), ("train", 3)] * 2 + [("test", 0)]


def test_inside_silence_nothing_is_reported(folder):
    with progress.silence():
        progress.report("embed", 1, 1)
    assert progress.read(folder / "progress.jsonl") == []
    progress.report("embed", 1, 1)
    assert len(progress.read(folder / "progress.jsonl")) == 1


def test_a_torn_line_and_a_value_that_is_not_finite_are_read(folder):
    progress.report("train", 1, 2, loss=math.nan)
    with (folder / "progress.jsonl").open("a") as file:
        file.write('{"time": 1, "sta')
    (line,) = progress.read(folder / "progress.jsonl")
    assert line["values"] == {"loss": None}


def test_only_the_end_of_a_long_file_is_read(folder):
    line = '{"time": 1, "stage": "train", "done": %d, "total": 100000, "values": {}}\n'
    (folder / "progress.jsonl").write_text("".join(line % step for step in range(20_000)))
    lines = progress.read(folder / "progress.jsonl")
    assert 500 < len(lines) < 1500
    assert lines[-1]["done"] == 19_999


def test_time_left_is_that_of_the_current_pass(folder):
    lines = [(0, "old", 0), (50, "old", 9), (100, "train", 2), (110, "train", 9), (111, "train", 1), (115, "train", 3)]
    text = "\n".join(
        f'{{"time": {time}, "stage": "{stage}", "done": {done}, "total": 10, "values": {{}}}}'
        for time, stage, done in lines
    )
    (folder / "progress.jsonl").write_text(text)
    assert _reported(folder)["seconds_left"] == pytest.approx(14)


def test_outside_a_run_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.delenv("STACKSTUDY_RUN_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    progress.report("train", 1, 1)
    assert list(tmp_path.iterdir()) == []
    progress.record_in(tmp_path)
    progress.report("train", 1, 1)
    progress.record_in(None)
    assert len(progress.read(tmp_path / "progress.jsonl")) == 1


def test_nobody_watches_a_batch_run_or_a_converted_notebook(monkeypatch):
    monkeypatch.delenv("STACKSTUDY_RUN_DIR", raising=False)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    assert not progress.watched()
    monkeypatch.setenv("JPY_SESSION_NAME", "x.ipynb")
    assert progress.watched()
    monkeypatch.setenv("STACKSTUDY_RUN_DIR", "x")
    assert not progress.watched()
