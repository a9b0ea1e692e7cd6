"""Jobs of this machine, with small programs in place of notebooks."""

import json
import os
import signal
import time
from pathlib import Path

import psutil
import pytest
from watching import wait_until

from stackstudy.runs.executor import Job, LocalExecutor, Place
from stackstudy.runs.pool import Demand, Pool


@pytest.fixture
def job(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)

    def make(name, code, timeout_minutes=1.0, imports=None, **demand):
        log, demand = tmp_path / f"{name}.txt", Demand(**demand)
        return Job(name, "program", [code], {"COLOUR": "blue"}, {"SHARE": "1"}, log, timeout_minutes, demand, imports)

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


def test_jobs_share_imports_and_nothing_else(job, tmp_path, monkeypatch):
    monkeypatch.setenv("COUNT", str(tmp_path / "count"))
    code = """import json, os, sys
print(json.dumps([sys.modules.get('counted') is not None, 'stackstudy.paths' in sys.modules, os.environ['COLOUR'],
    os.environ['CUDA_VISIBLE_DEVICES'], os.getcwd(), sys.argv[0].endswith('program.py')]))
sys.exit(int(sys.argv[1][-1]))"""
    imports = "import counted\nimport stackstudy.paths"
    with LocalExecutor(Pool(5, ("0",))) as executor:
        for number in range(3):
            executor.submit(job(f"job{number}", f"{code} # {number}", imports=imports))
        executor.submit(job("broken", "print('[]')", imports="import no_such_library"))
        executor.submit(job("gpu", f"{code} # 0", imports=imports, gpus=1))
        outcomes = wait(executor)
    said = {name: json.loads((tmp_path / f"{name}.txt").read_text()) for name in outcomes}
    assert [said[f"job{number}"] for number in range(3)] == [[True, False, "blue", "", str(Path.cwd()), True]] * 3
    assert said["gpu"] == [False, False, "blue", "0", str(Path.cwd()), True]
    assert said["broken"] == []
    assert [outcomes[f"job{number}"].returncode for number in range(3)] == [0, 1, 2]
    assert (tmp_path / "count").read_text() == "x"


def test_what_a_template_takes_with_it_is_killed_and_the_next_job_has_another(job):
    with LocalExecutor(Pool(4)) as executor:
        executor.submit(job("a", "import time; time.sleep(60)", imports=""))
        (template,) = executor._templates.values()
        template._process.kill()
        assert wait(executor)["a"].returncode == -9
        executor.submit(job("b", "print(1)", imports=""))
        assert wait(executor)["b"].returncode == 0


def test_a_killed_runner_takes_template_and_jobs_along(job):
    pid = os.fork()
    if pid == 0:
        with LocalExecutor(Pool(4)) as executor:
            executor.submit(job("a", "import time; print('on', flush=True); time.sleep(60)", imports=""))
            time.sleep(60)
    log = job("a", "").log
    wait_until(lambda: log.exists() and log.read_text() == "on\n")
    family = psutil.Process(pid).children(recursive=True)
    assert len(family) == 2
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert psutil.wait_procs(family, timeout=5)[1] == []
