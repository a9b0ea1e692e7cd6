"""The runner with real kernels: order, skipping, failures, kills."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from watching import RUNNER, processes_of, started, wait_until

from stackstudy.runs.executor import Outcome, Place
from stackstudy.runs.lock import locked, running
from stackstudy.runs.runner import run
from stackstudy.runs.status import overview


def test_runs_in_order_then_nothing_then_what_changed(project, capsys):
    assert run("toy") == 0
    assert started(capsys) == ["01-first", "02-double", "03-third"]
    folder = project.run_folder("02-double")
    assert json.loads((folder / "metrics.json").read_text()) == {"second": {"02-double": 6.0}}
    assert json.loads((folder / "environment.json").read_text())["wall_seconds"] > 0
    executed = json.loads((folder / "notebook.ipynb").read_text())
    assert "factor = 2.0" in "".join(executed["cells"][1]["source"])

    begun = time.monotonic()
    assert run("toy") == 0
    assert started(capsys) == []
    assert time.monotonic() - begun < 1
    assert [row.state for row in overview("toy")] == ["done"] * 3

    project.profile(defaults={"factor": 5})
    assert [row.state for row in overview("toy")] == ["done", "stale", "stale"]
    run("toy", dry_run=True, why=True)
    out = capsys.readouterr().out
    assert "would run 02-double: parameter factor 2.0 -> 5.0" in out
    assert "would run 03-third: upstream 02-double changed" in out
    run("toy", ["02-double"], dry_run=True)
    assert capsys.readouterr().out == "would run 02-double\nprofile toy: 1 of 2 experiments are up to date\n"


def test_goes_on_past_failures_and_says_what_failed(project, capsys):
    independent = {"01-other": {"notebook": "01-first"}}
    troubled = {"01-first": {"parameters": {"trouble": "error"}}, "02-double": {"notebook": "02-second"}}
    project.profile(experiments=troubled | independent, slots=2)
    # 02 needs all experiments of notebook 01, so it is blocked; the other of them runs
    assert run("toy") == 1
    out = capsys.readouterr().out
    assert "2 of 3 experiments did not end well" in out
    table = out[out.index("\n\n") :].splitlines()
    assert table[2].split()[:2] == ["01-other", "done"]
    assert table[3] == "01-first   failed   RuntimeError: planned failure"
    assert table[4] == "  log: runs/toy/01-first/log.txt"
    assert table[-3] == "  | RuntimeError: planned failure"
    assert table[-2] == "02-double  skipped  blocked by 01-first"
    assert (project.run_folder("01-other") / "DONE").exists()
    assert not (project.run_folder("01-first") / "DONE").exists()
    rows = {row.name: row for row in overview("toy")}
    assert (rows["01-first"].state, rows["01-first"].note) == ("failed", "RuntimeError: planned failure")
    assert rows["02-double"].state == "missing"


def test_an_experiment_that_takes_all_slots_runs_alone(project, capsys):
    project.profile(experiments={"01-first": {"slots": 2}, "01-other": {"notebook": "01-first"}}, slots=2)
    assert run("toy") == 0
    steps = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("->", "ok"))]
    assert [step.rpartition(", ")[2] for step in steps if step.startswith("ok")] == ["1 of 2", "2 of 2"]
    assert [step.split()[:2] for step in steps] == [
        ["->", "01-first"],
        ["ok", "01-first"],
        ["->", "01-other"],
        ["ok", "01-other"],
    ]


class Hand:
    """An executor whose jobs end in the order of `outcomes`; `gpus` is what it has, of all else enough."""

    def __init__(self, outcomes, gpus=9):
        self.outcomes, self.gpus = iter(outcomes), gpus
        self.running, self.order, self.demands = {}, [], {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def lacks(self, demand):
        return None

    def has_room(self, demand):
        return demand.gpus + sum(self.demands[name].gpus for name in self.running) <= self.gpus

    def submit(self, job):
        self.running[job.name], self.demands[job.name] = Place(None, "cpu"), job.demand
        self.order.append(job.name)

    def wait(self, seconds):
        outcome = next(self.outcomes)
        del self.running[outcome.name]
        return [outcome]


@pytest.fixture
def by_hand(monkeypatch):
    """Return a function that makes `run` use such an executor, and believe that each job leaves its products."""

    def use(outcomes, **options):
        hand = Hand(outcomes, **options)
        monkeypatch.setattr("stackstudy.runs.runner._executor", lambda *_: hand)
        monkeypatch.setattr("stackstudy.runs.runner.missing_products", lambda *_: [])
        return hand

    return use


@pytest.mark.parametrize(("tries", "code"), [(2, 0), (3, 1)])
@pytest.mark.parametrize("trouble", [{"returncode": 75}, {"returncode": 1, "lost": True}])
def test_what_did_not_start_or_was_lost_is_tried_three_times(project, by_hand, capsys, trouble, tries, code):
    project.profile(experiments={"01-first": {}})
    hand = by_hand([*[Outcome("01-first", seconds=1, **trouble)] * tries, Outcome("01-first", 0, 1)])
    assert run("toy") == code
    assert hand.order == ["01-first"] * 3
    assert capsys.readouterr().out.count("trying again") == 2


def test_who_needs_no_gpu_overtakes_who_waits_for_one(project, by_hand):
    one = {"notebook": "01-first", "gpus": 1}
    project.profile(experiments={"01-first": {"gpus": 1}, "01-b": one, "01-c": one, "01-d": {"notebook": "01-first"}})
    hand = by_hand([Outcome(name, 0, 1) for name in ("01-d", "01-first", "01-b", "01-c")], gpus=1)
    assert run("toy") == 0
    assert hand.order == ["01-first", "01-d", "01-b", "01-c"]


def test_more_than_there_is_is_said_before_anything_starts(project, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    project.profile(experiments={"01-first": {}, "01-other": {"notebook": "01-first", "gpus": 2}})
    with pytest.raises(ValueError, match="experiment 01-other: takes 1 slots, 2 GPUs, there are 1 slots, 1 GPUs and"):
        run("toy")
    assert not project.run_folder("01-first").exists()


def test_dead_kernel_is_a_failure(project, capsys):
    project.profile(experiments={"01-first": {"parameters": {"trouble": "die"}}})
    assert run("toy") == 1
    assert "Kernel died" in capsys.readouterr().out


def test_timeout_ends_the_experiment_with_its_kernel(project, capsys):
    project.profile(experiments={"01-first": {"parameters": {"trouble": "sleep"}}}, timeout=0.05)
    assert run("toy") == 1
    assert "01-first  failed   stopped after 0.05 minutes (timeout_minutes of the profile)" in capsys.readouterr().out
    wait_until(lambda: not processes_of(project.root), 5)


@pytest.mark.parametrize("victim", ["runner", "worker"])
def test_a_kill_leaves_no_process(project, victim):
    project.profile(experiments={"01-first": {"parameters": {"trouble": "sleep"}}})
    process = subprocess.Popen([sys.executable, "-c", RUNNER], stdout=subprocess.DEVNULL)
    folder = project.run_folder("01-first")
    wait_until((folder / "progress.jsonl").exists)
    with pytest.raises(ValueError, match="is being run by another process"):
        run("toy")
    (row,) = overview("toy")
    assert (row.state, row.stage, row.total, row.values) == ("running", "waiting", 600, {"loss": 0.5})
    assert row.memory_mb > 20
    assert row.device == "cpu"
    assert len(processes_of(project.root)) == 4  # runner, template, worker, kernel

    os.kill(process.pid if victim == "runner" else running("toy")["01-first"].pid, signal.SIGKILL)
    code = process.wait(20)
    wait_until(lambda: not processes_of(project.root), 5)
    (row,) = overview("toy")
    if victim == "worker":
        assert (code, row.state, row.note) == (1, "failed", "ended by SIGKILL, often a lack of memory")
    else:
        assert (row.state, row.note) == ("missing", "did not finish last time")


def test_interrupt_ends_everything(project):
    project.profile(experiments={"01-first": {"parameters": {"trouble": "sleep"}}})
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # even where the tests ignore it
    process = subprocess.Popen([sys.executable, "-c", heard + RUNNER], stdout=subprocess.PIPE, text=True)
    wait_until((project.run_folder("01-first") / "progress.jsonl").exists)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the next call goes on from there" in out
    wait_until(lambda: not processes_of(project.root), 5)


def test_resumes_with_the_same_key_and_starts_afresh_with_another(project, capsys):
    project.profile(experiments={"01-first": {"parameters": {"trouble": "no product"}}})
    folder = project.run_folder("01-first")
    assert run("toy") == 1
    lacking = (
        "01-first  failed   ValueError: runs/toy/01-first lacks numbers.txt, declared as products of this notebook"
    )
    assert lacking in capsys.readouterr().out
    (folder / "metrics.json").write_text('{"left": "over"}')
    (folder / ".half.abc").mkdir()
    assert run("toy") == 1
    assert (folder / "attempts.txt").read_text() == "xx"
    assert json.loads((folder / "metrics.json").read_text()) == {"first": {"amount": 3}}
    assert not (folder / ".half.abc").exists()
    (folder / "model").mkdir()
    project.profile(experiments={"01-first": {}})
    assert run("toy") == 0
    assert (folder / "attempts.txt").read_text() == "x"
    assert not (folder / "model").exists()


def test_trainings_outlive_a_change_of_the_key_and_nothing_else_does(project, capsys):
    project.profile(experiments={"01-first": {}})
    assert run("toy") == 0
    folder = project.run_folder("01-first")
    for name in ("checkpoints", "model", "tables"):
        (folder / name).mkdir()
        (folder / name / "old").touch()
    project.profile(experiments={"01-first": {"parameters": {"amount": 4}}})
    assert run("toy") == 0
    assert {path.parent.name for path in folder.glob("*/old")} == {"checkpoints", "model"}
    assert (folder / "attempts.txt").read_text() == "x"


def test_unknown_experiment_is_an_error(project):
    with pytest.raises(ValueError, match="has no experiment 09-none; it has 01-first, 02-double, 03-third"):
        run("toy", ["09-none"])


def test_lock_is_free_again_after_its_holder_ended(project):
    with locked("toy") as record:
        record({"01-first": Place(7, "GPU 1")})
        assert running("toy") == {"01-first": Place(7, "GPU 1")}
        with pytest.raises(ValueError, match=str(os.getpid())), locked("toy"):
            pass
    assert running("toy") == {}
    with locked("toy"):
        pass
