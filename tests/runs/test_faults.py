"""Whatever goes wrong in a batch: the next call has the results of an undisturbed run, and no process is left."""

import os
import random
import shutil
import subprocess
import sys
import time

import psutil
import pytest
from rich.console import Console
from watching import RUNNER, processes_of, wait_until

from stackstudy import cli
from stackstudy.runs import kernel, worker
from stackstudy.runs.runner import run

KILLS = 10
as_root = pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="mounts a file system")


def results(project, experiment="01-first"):
    """Return what an experiment has come to."""
    folder = project.run_folder(experiment)
    assert (folder / "DONE").exists()
    return {name: (folder / name).read_bytes() for name in ("metrics.json", "numbers.txt")}


KINDS = ("runner", "template", "worker", "kernel")
UNDISTURBED = {"metrics.json": b'{\n  "first": {\n    "amount": 3\n  }\n}\n', "numbers.txt": b"3"}


def quiet():
    return Console(quiet=True)


def alive(batch, kind):
    """Return a process of a batch, None where there is none at the moment."""
    try:
        process = psutil.Process(batch.pid)
        for _ in range(KINDS.index(kind)):  # each is started by the one before
            process = process.children()[0]
    except (psutil.Error, IndexError):
        return None
    return process


def test_ten_kills_at_random_moments(project):
    project.profile(experiments={"01-first": {}})
    chance = random.Random(7)
    begun = time.monotonic()
    assert run("toy", console=quiet()) == 0
    usual = time.monotonic() - begun
    assert results(project) == UNDISTURBED
    shutil.rmtree(project.run_folder("01-first"))
    kills = dict.fromkeys(KINDS, 0)
    for _ in range(3 * KILLS):
        kind = min(kills, key=kills.get)
        batch = subprocess.Popen([sys.executable, "-c", RUNNER], stdout=subprocess.DEVNULL)
        time.sleep(chance.uniform(0, usual))
        while not (victim := alive(batch, kind)) and batch.poll() is None:
            time.sleep(0.01)
        if victim:
            victim.kill()
            kills[kind] += 1
        code = batch.wait(120)
        wait_until(lambda: not processes_of(project.root), 10)
        if code == 0:
            assert results(project) == UNDISTURBED
            shutil.rmtree(project.run_folder("01-first"))
        if sum(kills.values()) == KILLS:
            break
    assert sum(kills.values()) == KILLS
    assert run("toy", console=quiet()) == 0
    assert results(project) == UNDISTURBED
    assert not list(project.run_folder("01-first").glob(".*"))


def test_four_kinds_of_bad_notebooks_stop_nobody_else(project, capsys):
    limits = {"hang": {"timeout_minutes": 0.2}, "eat": {"memory_gb": 0.6}, "forget": {}, "die": {}, "good": {}}
    names = {"01-first" if kind == "good" else f"01-{kind}": limit for kind, limit in limits.items()}
    project.profile(experiments={name: {"notebook": "01-first", **limit} for name, limit in names.items()}, slots=2)
    plans = project.root / "plans.txt"
    plans.write_text("01-hang hang\n01-eat eat\n01-forget no product\n01-die die\n")
    assert run("toy") == 1
    table = capsys.readouterr().out.partition("\n\n")[2]
    for line in (
        "01-hang    failed   stopped after 0.2 minutes (timeout_minutes of the profile)",
        "01-eat     failed   took more than 0.6 GB of memory (memory_gb of the profile)",
        "01-forget  failed   ValueError: runs/toy/01-forget lacks numbers.txt",
        "01-die     failed   DeadKernelError: Kernel died",
        "4 of 5 experiments did not end well",
    ):
        assert line in table
    assert results(project) == UNDISTURBED
    wait_until(lambda: not processes_of(project.root), 10)

    plans.unlink()
    project.profile(experiments={name: {"notebook": "01-first"} for name in names}, slots=2)
    assert run("toy", console=quiet()) == 0
    assert all(results(project, name) == UNDISTURBED for name in names)


def test_a_second_batch_says_that_there_is_one(project):
    project.profile(experiments={"01-first": {}})
    first = subprocess.Popen([sys.executable, "-c", RUNNER], stdout=subprocess.DEVNULL)
    wait_until((project.run_folder("01-first") / "key.json").exists, 60)
    with pytest.raises(ValueError, match="is being run by another process"):
        run("toy", console=quiet())
    assert first.wait(120) == 0
    assert run("toy", console=quiet()) == 0
    assert results(project) == UNDISTURBED
    assert (project.run_folder("01-first") / "attempts.txt").read_text() == "x"


@pytest.fixture
def folder(project):
    folder = project.run_folder("01-first")
    folder.mkdir(parents=True)
    (folder / "params.yaml").write_text("amount: 1")
    return folder


@pytest.mark.parametrize("forks", [True, False])
def test_a_kernel_that_does_not_start_is_told_from_one_that_fails(project, folder, capfd, monkeypatch, forks):
    monkeypatch.setattr(kernel, "FORKS", forks)
    monkeypatch.setattr(kernel, "COMMAND", "raise SystemExit(3)")
    monkeypatch.setattr(kernel, "_be_kernel", lambda _: os._exit(3))
    assert worker.execute(project.root / "notebooks" / "01-first.ipynb", folder) == worker.NOT_STARTED
    assert capfd.readouterr().out.splitlines()[-1].startswith("the kernel did not start: ")


def test_where_forking_is_not_safe_a_command_starts_the_kernel(project, folder, monkeypatch):
    monkeypatch.setattr(kernel, "FORKS", False)
    monkeypatch.setenv("STACKSTUDY_RUN_DIR", str(folder))
    assert worker.execute(project.root / "notebooks" / "01-first.ipynb", folder) == 0
    assert (folder / "numbers.txt").read_text() == "1"


@pytest.fixture
def disk(project):
    """A file system of 1 MB under the runs of the project; yields a function that mounts it with other options."""
    runs = project.root / "runs"
    runs.mkdir()

    def mount(*options):
        subprocess.run(["mount", "-t", "tmpfs", *options, "none", runs], check=True, capture_output=True)

    try:
        mount("-o", "size=1m")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"cannot mount: {error.stderr.decode()}")
    yield lambda options: mount("-o", options)
    subprocess.run(["umount", "-l", runs], check=True)


@as_root
@pytest.mark.parametrize("free_kb", [0, 16])
def test_a_full_disk_fails_the_experiment_and_not_the_next_call(project, disk, capsys, free_kb):
    project.profile(experiments={"01-first": {}})
    ballast = project.root / "runs" / "ballast"
    ballast.write_bytes(bytes(shutil.disk_usage(ballast.parent).free - free_kb * 1024))
    assert run("toy") == 1
    out = capsys.readouterr().out
    assert "01-first  failed" in out
    assert not (project.run_folder("01-first") / "DONE").exists()
    wait_until(lambda: not processes_of(project.root), 10)
    ballast.unlink()
    if free_kb:
        assert run("toy", console=quiet()) == 0
        assert results(project) == UNDISTURBED


@as_root
def test_a_read_only_folder_is_one_line(project, disk, monkeypatch, capsys):
    project.profile(experiments={"01-first": {}})
    disk("remount,ro")
    monkeypatch.setattr(sys, "argv", ["stackstudy", "run", "toy"])
    with pytest.raises(SystemExit) as ended:
        cli.app()
    assert ended.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith("stackstudy: [Errno 30] Read-only file system:")
    assert len(err.splitlines()) == 1
    disk("remount,rw")
    assert run("toy", console=quiet()) == 0
    assert results(project) == UNDISTURBED
