"""Where jobs run: here, as many at a time as there are slots. Another executor needs the same three methods."""

import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from stackstudy.runs.processes import kill_tree


@dataclass(frozen=True)
class Job:
    """A command with its environment (on top of this process's); its output goes to `log`."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    log: Path
    timeout_seconds: float
    slots: int = 1


@dataclass(frozen=True)
class Outcome:
    """How a job ended."""

    name: str
    returncode: int
    seconds: float
    timed_out: bool = False


@dataclass(frozen=True)
class _Running:
    job: Job
    process: subprocess.Popen
    since: float

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.since


class LocalExecutor:
    """Runs each job in a process of its own; leaving the context kills what still runs."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._running: list[_Running] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for running in self._running:
            _end(running)
        self._running = []

    @property
    def running(self) -> dict[str, int]:
        """Names of the jobs under way, with their process ids."""
        return {running.job.name: running.process.pid for running in self._running}

    @property
    def free(self) -> int:
        """How many slots are free."""
        return self.slots - sum(running.job.slots for running in self._running)

    def submit(self, job: Job) -> None:
        """Start a job. Call from the main thread: its end is what ends the job (see `die_with_parent`)."""
        environment = {**os.environ, **job.environment, "STACKSTUDY_PARENT_PID": str(os.getpid())}
        with job.log.open("wb") as log:
            process = subprocess.Popen(
                job.command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches the runner alone, which then ends its jobs
            )
        self._running.append(_Running(job, process, time.monotonic()))

    def wait(self, seconds: float) -> list[Outcome]:
        """Return the jobs that ended, as soon as there is one; an empty list after `seconds`."""
        until = time.monotonic() + seconds
        while not (ended := [outcome for running in self._running if (outcome := _outcome(running))]):
            if time.monotonic() >= until:
                return []
            time.sleep(0.05)
        gone = {outcome.name for outcome in ended}
        self._running = [running for running in self._running if running.job.name not in gone]
        return ended


def _outcome(running: _Running) -> Outcome | None:
    returncode = running.process.poll()
    if returncode is not None:
        return Outcome(running.job.name, returncode, running.seconds)
    if running.seconds < running.job.timeout_seconds:
        return None
    _end(running)
    return Outcome(running.job.name, running.process.returncode, running.seconds, timed_out=True)


def _end(running: _Running) -> None:
    kill_tree(running.process.pid)
    running.process.wait()
