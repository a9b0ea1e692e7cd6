"""The command line: what it prints, and how it ends."""

import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from stackstudy import cli

YAML = "description: x\nresources: {timeout_minutes: 1}\nexperiments: {01-questions: {parameters: {source: %s}}}\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    for folder in ("profiles", "notebooks"):
        (tmp_path / folder).mkdir()
    monkeypatch.setenv("STACKSTUDY_ROOT", str(tmp_path))
    return tmp_path


def call(monkeypatch, *arguments):
    """Run the command line in this process; return its exit code."""
    monkeypatch.setattr(sys, "argv", ["stackstudy", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.app()
    return ended.value.code


def put(monkeypatch, name, **content):
    """Put a module of this name in place of the real one."""
    module = ModuleType(name)
    module.__dict__.update(content)
    monkeypatch.setitem(sys.modules, name, module)


def test_help_is_quick_and_needs_nothing_heavy():
    code = "import sys, time; begun = time.process_time(); import stackstudy.cli as c; sys.argv = ['x', '--help']\n"
    code += "try: c.app()\nexcept SystemExit: pass\n"
    code += "print(time.process_time() - begun, {'torch', 'polars', 'pydantic', 'papermill'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, heavy = done.stdout.splitlines()[-1].split(maxsplit=1)
    assert float(seconds) < 0.5
    assert heavy == "set()"
    assert all(command in done.stdout for command in ("ingest", "run", "status", "paper", "readme", "report"))


def test_the_runner_imports_no_torch():
    code = "import sys, stackstudy.runs.runner; print({'torch', 'polars', 'papermill', 'nbformat'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_mistake_is_one_line_and_a_traceback_only_on_demand(project, monkeypatch, capsys):
    assert call(monkeypatch, "run", "nosuch") == 2
    assert capsys.readouterr().err == "stackstudy: no profile nosuch: there is none in profiles/\n"
    (project / "profiles" / "a.yaml").touch()
    assert call(monkeypatch, "status", "nosuch") == 2
    assert capsys.readouterr().err == "stackstudy: no profile nosuch: the profiles are a\n"
    monkeypatch.setattr(sys, "argv", ["stackstudy", "--debug", "run", "nosuch"])
    with pytest.raises(FileNotFoundError):
        cli.app()


def test_ingest_prints_the_counts(tmp_path, monkeypatch, capsys):
    @dataclass
    class Report:
        questions: int = 12345
        near_duplicates: int = 7
        splits: dict[str, int] = field(default_factory=lambda: {"train": 12000, "test": 345})

    calls = []
    put(monkeypatch, "stackstudy.questions.ingest", ingest=lambda *a, **k: calls.append((a, k)) or Report())
    out = tmp_path / "questions.parquet"
    arguments = ["a.xml", "b.csv", "--out", str(out), "--site", "dba", "--near-duplicate-similarity", "0.9"]
    assert call(monkeypatch, "ingest", *arguments) == 0
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert printed[:3] == [["questions", "12,345"], ["near", "duplicates", "7"], ["splits", "train", "12,000"]]
    assert printed[3] == ["test", "345"]
    options = {"site": "dba", "near_duplicate_similarity": 0.9, "rows": None}
    assert calls == [((["a.xml", "b.csv"], out), options)]


def test_predict_prints_notes_and_metrics_with_their_intervals(tmp_path, monkeypatch, capsys):
    import polars as pl

    values = {"f1_micro": 0.61234, "f1_micro_low": 0.5, "f1_micro_high": 0.7, "f1_micro_std": None}
    metrics = pl.DataFrame([{"system": "net"} | values | dict.fromkeys(("r2", "r2_low", "r2_high"), None)])
    calls = []

    def predict(*arguments, **options):
        calls.append((arguments, options))
        return SimpleNamespace(metrics=metrics, notes=("3 questions",))

    put(monkeypatch, "stackstudy.predict", predict=predict)
    out = tmp_path / "predictions.parquet"
    assert call(monkeypatch, "predict", "runs/a/b", "new.csv", "--out", str(out), "--site", "dba") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["3", "questions"]
    assert ["net", "f1_micro", "0.612", "0.500", "to", "0.700"] in lines
    assert ["net", "r2", "undefined"] in lines
    assert lines[-1] == [str(out)]
    assert calls == [((Path("runs/a/b"), "new.csv", out), {"site": "dba"})]


def test_report_runs_then_builds_and_ends_with_the_pdf(project, monkeypatch, capsys):
    calls = []

    def build(profile, engine, formats):
        calls.append(("build", profile, engine, tuple(formats)))
        return [Path("x.pdf"), Path("x.html"), Path("x.docx")]

    put(monkeypatch, "stackstudy.paper.collect", collect=lambda profile: calls.append(("collect", profile)))
    put(monkeypatch, "stackstudy.paper.build", build=build)
    put(monkeypatch, "stackstudy.runs.runner", run=lambda profile, data: calls.append(("run", profile, data)) or 0)
    (project / "profiles" / "smoke.yaml").write_text(YAML % "planted")
    assert call(monkeypatch, "report", "smoke", "--data", "q.csv") == 0
    assert calls == [
        ("run", "smoke", Path("q.csv")),
        ("collect", "smoke"),
        ("build", "smoke", "typst", ("pdf", "html", "docx")),
    ]
    assert capsys.readouterr().out.splitlines()[-1] == "x.pdf"

    calls.clear()
    assert call(monkeypatch, "paper", "smoke", "--engine", "crossref", "--format", "html") == 0
    assert calls == [("collect", "smoke"), ("build", "smoke", "crossref", ("html",))]

    put(monkeypatch, "stackstudy.runs.runner", run=lambda profile, data: 1)
    calls.clear()
    assert call(monkeypatch, "report", "smoke") == 1
    assert calls == []


def test_report_of_given_questions_without_them_is_built_from_what_was_collected(project, monkeypatch, capsys):
    calls = []
    put(monkeypatch, "stackstudy.paper.collect", collect=lambda profile: calls.append("collect"))
    put(monkeypatch, "stackstudy.paper.build", build=lambda *_, **__: calls.append("build") or [Path("x.pdf")])
    put(monkeypatch, "stackstudy.runs.runner", run=lambda profile, data: calls.append("run") or 0)
    (project / "profiles" / "a.yaml").write_text(YAML % "DATA")
    assert call(monkeypatch, "report", "a") == 0
    assert calls == ["run", "collect", "build"]  # with nothing collected the runner says what it needs

    (project / "results" / "a").mkdir(parents=True)
    (project / "results" / "a" / "numbers.json").write_text("{}")
    calls.clear()
    capsys.readouterr()
    assert call(monkeypatch, "report", "a") == 0
    assert calls == ["build"]
    assert capsys.readouterr().out.splitlines() == [
        "no questions given (--data PATH, make: DATA=PATH), so nothing is run for profile a",
        "no runs here: built from results/a and figures/a as they are",
        "x.pdf",
    ]
    (project / "runs" / "a" / "01-questions").mkdir(parents=True)
    calls.clear()
    assert call(monkeypatch, "report", "a") == 0
    assert calls == ["collect", "build"]
    calls.clear()
    assert call(monkeypatch, "report", "a", "--data", "q.csv") == 0
    assert calls == ["run", "collect", "build"]


def test_status_of_a_profile_that_never_ran(project, monkeypatch, capsys):
    (project / "profiles" / "a.yaml").write_text(YAML % "planted")
    begun = time.monotonic()
    assert call(monkeypatch, "status", "a") == 0
    line = capsys.readouterr().out.splitlines()[1]
    assert line.split()[:2] == ["01-questions", "missing"]
    assert time.monotonic() - begun < 5
