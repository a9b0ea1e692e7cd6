"""Jobs of this machine, with small programs in place of notebooks."""

import sys
import time

import pytest

from stackstudy.runs.executor import Job, LocalExecutor, Place
from stackstudy.runs.pool import Demand, Pool


@pytest.fixture
def job(tmp_path):
    def make(name, code, timeout_minutes=1.0, **demand):
        command = [sys.executable, "-S", "-c", code]
        return Job(name, command, {"COLOUR": "blue"}, tmp_path / f"{name}.txt", timeout_minutes, Demand(**demand))

    return make


def wait(executor):
    outcomes = []
    until = time.monotonic() + 60
    while executor.running:
        assert time.monotonic() < until, "waited in vain"
        outcomes += executor.wait(0.5)
    return {outcome.name: outcome for outcome in outcomes}


def test_each_job_sees_its_own_gpus(job, tmp_path):
    code = "import os; print(os.environ['COLOUR'], os.environ['CUDA_VISIBLE_DEVICES'] or 'none')"
    with LocalExecutor(Pool(4, ("2", "5"))) as executor:
        for name, gpus in {"a": 1, "b": 0.5, "c": 0.5, "d": 0}.items():
            executor.submit(job(name, code, gpus=gpus))
        assert executor.running["b"].device == "GPU 5"
        assert executor.running["d"].device == "cpu"
        assert not executor.has_room(Demand())
        outcomes = wait(executor)
    assert {name: (tmp_path / f"{name}.txt").read_text().split() for name in "abcd"} == {
        "a": ["blue", "2"],
        "b": ["blue", "5"],
        "c": ["blue", "5"],
        "d": ["blue", "none"],
    }
    assert all(outcome.returncode == 0 for outcome in outcomes.values())


def test_too_large_and_too_slow_jobs_end_and_others_do_not(job):
    with LocalExecutor(Pool(4)) as executor:
        large = "import time; a = bytearray(b'x') * 300_000_000; time.sleep(60)"
        executor.submit(job("large", large, memory_gb=0.2))
        executor.submit(job("slow", "import time; time.sleep(60)", timeout_minutes=0.02))
        executor.submit(job("good", "print(1)", memory_gb=0.2))
        outcomes = wait(executor)
    assert outcomes["large"].stopped == "took more than 0.2 GB of memory (memory_gb of the profile)"
    assert outcomes["slow"].stopped == "stopped after 0.02 minutes (timeout_minutes of the profile)"
    assert (outcomes["good"].returncode, outcomes["good"].stopped) == (0, None)


def test_leaving_ends_what_runs_and_says_what_never_fits(job):
    with LocalExecutor(Pool(2, ("0",), 8)) as executor:
        executor.submit(job("a", "import time; time.sleep(60)"))
        (running,) = executor._running
        assert executor.running == {"a": Place(running.process.pid, "cpu")}
        assert executor.lacks(Demand(slots=2, gpus=1, memory_gb=8)) is None
        lack = "takes 1 slots, 2 GPUs and 9 GB, there are 2 slots, 1 GPUs and 8 GB"
        assert executor.lacks(Demand(gpus=2, memory_gb=9)) == lack
    assert running.process.poll() == -9
