"""What tests of batches share: a runner of its own, and the processes that are alive."""

import os
import time

import psutil

RUNNER = """
import sys, toy
from stackstudy import params
params.NOTEBOOKS = toy.NOTEBOOKS
from stackstudy.runs.runner import run
sys.exit(run("toy"))
"""


def started(capsys):
    """Return the experiments that the last call started."""
    return [line.split()[1].rstrip(":") for line in capsys.readouterr().out.splitlines() if line.startswith("->")]


def processes_of(root):
    """Return the processes of a toy project that are alive, kernels included: all have its root in the environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get("STACKSTUDY_ROOT") == str(root):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return [process for process in found if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def wait_until(condition, seconds=20):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)
