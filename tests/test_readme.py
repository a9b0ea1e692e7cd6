"""What the README tells people to type works: marked blocks are executed, of the others every command exists."""

import re
import shlex
import shutil

import polars as pl
import pytest
from trained import make_runs
from typer.main import get_command
from typer.testing import CliRunner

from stackstudy.cli import commands
from stackstudy.paths import project_root

ROOT = project_root()
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"(<!-- tested -->\n)?```(sh|python)\n(.*?)```", README, re.DOTALL)
TESTED = {kind: [text for mark, k, text in BLOCKS if mark and k == kind] for kind in ("sh", "python")}


def typed(text: str, program: str) -> list[list[str]]:
    """Return the arguments of each line that starts a program, without remarks."""
    lines = (shlex.split(line, comments=True) for line in text.splitlines())
    return [words[1:] for words in lines if words and words[0] == program]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A checkout in which notebook 11 of profile smoke has run, and a CSV of questions."""
    root = tmp_path_factory.mktemp("checkout")
    for name in ("profiles", "notebooks"):
        shutil.copytree(ROOT / name, root / name)
    shutil.copy(ROOT / "requirements.txt", root)
    make_runs(root / "runs" / "smoke")
    table = pl.read_parquet(root / "runs" / "smoke" / "01-questions" / "questions.parquet")
    tags = pl.col("tags").list.eval("<" + pl.element() + ">").list.join("")
    columns = {"Id": "question_id", "Title": "title", "Body": "body", "Score": "score"}
    table.select(tags.alias("Tags"), **{name: pl.col(column) for name, column in columns.items()}).write_csv(
        root / "questions.csv"
    )
    return root


@pytest.fixture(autouse=True)
def inside(checkout, monkeypatch):
    monkeypatch.setenv("STACKSTUDY_ROOT", str(checkout))
    monkeypatch.chdir(checkout)


def test_there_are_blocks_of_both_kinds_to_execute():
    assert len(TESTED["sh"]) >= 2
    assert len(TESTED["python"]) == 1


@pytest.mark.parametrize("block", TESTED["sh"])
def test_marked_commands_run(block):
    for arguments in typed(block, "stackstudy"):
        result = CliRunner().invoke(commands, arguments)
        assert result.exit_code == 0, f"{arguments}: {result.output} {result.exception}"


def test_the_example_of_a_new_system_runs_and_is_short(capsys):
    (code,) = TESTED["python"]
    function = code.partition("def naive_bayes")[2].partition("\n\n\n")[0]
    assert len(function.splitlines()) < 40
    space = {}
    exec(compile(code, "README.md", "exec"), space)
    printed = capsys.readouterr().out
    assert "naive-bayes" in printed
    assert "linear-probe" in printed
    assert space["systems"]["naive-bayes"][0].point()["f1_micro"] > 0.1


def test_every_command_and_option_exists():
    known = get_command(commands).commands
    for _, kind, text in BLOCKS:
        for arguments in typed(text, "stackstudy") if kind == "sh" else []:
            command = known[arguments[0]]
            options = {option for parameter in command.params for option in parameter.opts}
            asked = {word for word in arguments if word.startswith("--")}
            assert asked <= options, f"stackstudy {' '.join(arguments)}"


def test_every_make_target_and_linked_file_exists():
    targets = re.search(r"\.PHONY: (.*)", (ROOT / "Makefile").read_text())[1].split()
    for _, _, text in BLOCKS:
        assert {arguments[0] for arguments in typed(text, "make")} <= set(targets)
    for target in re.findall(r"\]\(((?!https?:)[^)#]+)\)", README):
        assert (ROOT / target).exists(), target
