"""Where jobs run: here, as many at a time as there is room for. Another executor has the same methods."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, Self

from stackstudy.runs.pool import Demand, Pool, Taken
from stackstudy.runs.processes import FORKS, PARENT, Forked, kill_tree, memory_of_tree
from stackstudy.runs.template import Request, Template


@dataclass(frozen=True)
class Job:
    """A Python module to run, with its environment (on top of this process's); its output goes to `log`."""

    name: str
    module: str
    arguments: list[str]
    environment: Mapping[str, str]
    threads: Mapping[str, str]  # variables of the environment that libraries read when they are imported
    log: Path
    timeout_minutes: float
    demand: Demand
    imports: str | None = None  # statements that the module will get to: several jobs can share that work


@dataclass(frozen=True)
class Outcome:
    """How a job ended; `stopped` says why the executor ended it, `lost` that the machine under it went away."""

    name: str
    returncode: int
    seconds: float
    stopped: str | None = None
    lost: bool = False


class Place(NamedTuple):
    """Where a job runs: its process, None if that is on another machine, and a device as people call it."""

    pid: int | None
    device: str


class Executor(Protocol):
    """A context; leaving it ends what still runs."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...

    @property
    def running(self) -> dict[str, Place]:
        """Names of the jobs under way, and where they are."""

    def lacks(self, demand: Demand) -> str | None:
        """Say why there will never be room for a job; None if there will."""

    def has_room(self, demand: Demand) -> bool:
        """Tell whether a job can be submitted now."""

    def submit(self, job: Job) -> None:
        """Start a job, or let it wait for its turn."""

    def wait(self, seconds: float) -> list[Outcome]:
        """Return the jobs that ended, as soon as there is one; an empty list after `seconds`."""


@dataclass(frozen=True)
class _Running:
    job: Job
    process: subprocess.Popen | Forked
    taken: Taken
    since: float

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.since


class LocalExecutor:
    """Runs each job in a process of its own, on this machine."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self._running: list[_Running] = []
        self._templates: dict[tuple, Template] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for running in self._running:
            _end(running)
        for template in self._templates.values():
            template.close()
        self._running, self._templates = [], {}

    @property
    def running(self) -> dict[str, Place]:
        return {running.job.name: Place(running.process.pid, _device(running.taken.gpus)) for running in self._running}

    def lacks(self, demand: Demand) -> str | None:
        if self.pool.place(demand):
            return None
        has = f"{self.pool.slots} slots, {len(self.pool.gpus)} GPUs and {self.pool.memory_gb:.0f} GB"
        memory = f" and {demand.memory_gb:g} GB" if demand.memory_gb else ""
        return f"takes {demand.slots} slots, {demand.gpus:g} GPUs{memory}, there are {has}"

    def has_room(self, demand: Demand) -> bool:
        return self._place(demand) is not None

    def submit(self, job: Job) -> None:
        """Start a job. Call from the main thread: its end is what ends the job (see `die_with_parent`)."""
        if (taken := self._place(job.demand)) is None:
            raise RuntimeError(f"no room for {job.name}: ask has_room first")
        environment = {**os.environ, **job.environment, **job.threads, "CUDA_VISIBLE_DEVICES": ",".join(taken.gpus)}
        job.log.write_bytes(b"")
        if FORKS and job.imports is not None and not taken.gpus:
            request = Request(job.module, job.arguments, environment, job.log, job.imports)
            process = self._template(job, environment).start(request)
        else:
            process = _started(job, environment)
        self._running.append(_Running(job, process, taken, time.monotonic()))

    def wait(self, seconds: float) -> list[Outcome]:
        until = time.monotonic() + seconds
        ended = [outcome for running in self._running if (outcome := _too_large(running))]
        while not (ended := ended or [outcome for running in self._running if (outcome := _outcome(running))]):
            if time.monotonic() >= until:
                return []
            time.sleep(0.05)
        gone = {outcome.name for outcome in ended}
        self._running = [running for running in self._running if running.job.name not in gone]
        return ended

    def _template(self, job: Job, environment: Mapping[str, str]) -> Template:
        """Return the template of jobs with these threads, a new one if there is none."""
        threads = tuple(sorted(job.threads.items()))
        if threads not in self._templates or not self._templates[threads].alive:
            self._templates[threads] = Template(environment)
        return self._templates[threads]

    def _place(self, demand: Demand) -> Taken | None:
        return self.pool.place(demand, [running.taken for running in self._running])


def _started(job: Job, environment: Mapping[str, str]) -> subprocess.Popen:
    with job.log.open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", job.module, *job.arguments],
            env={**environment, PARENT: str(os.getpid())},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches the runner alone, which then ends its jobs
        )


def _too_large(running: _Running) -> Outcome | None:
    """End a job that has more memory than it asked for."""
    limit = running.job.demand.memory_gb
    if limit is None or memory_of_tree(running.process.pid) <= limit * 2**30:
        return None
    return _stopped(running, f"took more than {limit:g} GB of memory (memory_gb of the profile)")


def _outcome(running: _Running) -> Outcome | None:
    returncode = running.process.poll()
    if returncode is not None:
        return Outcome(running.job.name, returncode, running.seconds)
    minutes = running.job.timeout_minutes
    if running.seconds < 60 * minutes:
        return None
    return _stopped(running, f"stopped after {minutes:g} minutes (timeout_minutes of the profile)")


def _stopped(running: _Running, why: str) -> Outcome:
    _end(running)
    return Outcome(running.job.name, running.process.returncode, running.seconds, stopped=why)


def _end(running: _Running) -> None:
    kill_tree(running.process.pid)
    running.process.wait()


def _device(gpus: tuple[str, ...]) -> str:
    return f"GPU {','.join(gpus)}" if gpus else "cpu"
