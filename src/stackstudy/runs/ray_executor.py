"""Jobs on a Ray cluster, or on a Ray of this machine: the same notebooks, run folders and limits as `LocalExecutor`.

All machines see the checkout under the same path, on storage that they share, and so does the environment: a job writes
its run folder there. What it wrote is compared, by sha256, with what arrives here.
"""

import hashlib
import os
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, Self

from stackstudy.runs.executor import Job, LocalExecutor, Outcome, Place
from stackstudy.runs.pool import Demand, Pool, visible_gpus

OBJECT_STORE = 80 * 2**20  # bytes of a Ray that is started here: nothing but outcomes goes through it
ARRIVAL_SECONDS = 60  # for a shared file system to show here what another machine has written
SHARED = "the checkout must lie on storage that all machines share, under the same path"
KEY = "key.json"  # written by the runner before a job starts

Hashes = dict[str, str]


class RayExecutor:
    """Each job is a Ray task; Ray knows where there is room. A job whose machine goes away is `lost`."""

    def __init__(self, slots: int) -> None:
        self.slots = slots  # of each machine
        self._ray = import_ray()
        self._tasks: dict[Any, Job] = {}
        self._since: dict[str, float] = {}

    def __enter__(self) -> Self:
        own = {} if "RAY_ADDRESS" in os.environ else {"num_cpus": self.slots, "object_store_memory": OBJECT_STORE}
        self._ray.init(log_to_driver=False, logging_level="error", **own)
        return self

    def __exit__(self, *_: object) -> None:
        for task in self._tasks:
            self._ray.cancel(task, force=True)
        self._tasks = {}
        self._ray.shutdown()

    @property
    def running(self) -> dict[str, Place]:
        return {job.name: Place(None, "ray") for job in self._tasks.values()}

    def lacks(self, demand: Demand) -> str | None:
        needed = self._resources(demand)
        machines = self._machines()
        if any(all(machine.get(name, 0) >= amount for name, amount in needed.items()) for machine in machines):
            return None
        return f"takes {_said(needed)}, and none of the {len(machines)} machines of the Ray cluster has that"

    def has_room(self, demand: Demand) -> bool:
        return True

    def submit(self, job: Job) -> None:
        needed = self._resources(job.demand)
        options = {"num_cpus": needed["CPU"], "num_gpus": needed["GPU"], "memory": needed.get("memory")}
        # The runner tries again, since it has to make the run folder ready.
        task = self._ray.remote(_work).options(max_retries=0, **options).remote(job, _sha256(job.log.parent / KEY))
        self._tasks[task] = job
        self._since[job.name] = time.monotonic()

    def wait(self, seconds: float) -> list[Outcome]:
        ready, _ = self._ray.wait(list(self._tasks), timeout=seconds) if self._tasks else ([], [])
        return [self._outcome(task, self._tasks.pop(task)) for task in ready]

    def _outcome(self, task: Any, job: Job) -> Outcome:
        errors = self._ray.exceptions
        seconds = time.monotonic() - self._since[job.name]
        try:
            outcome, written = self._ray.get(task)
        except (errors.RayTaskError, errors.OutOfMemoryError) as error:
            return Outcome(job.name, 1, seconds, stopped=str(getattr(error, "cause", None) or error))
        except errors.RayError:
            return Outcome(job.name, 1, seconds, stopped="its machine went away", lost=True)
        if missing := not_arrived(job.log.parent, written):
            return Outcome(job.name, 1, outcome.seconds, stopped=f"{missing} did not arrive here: {SHARED}")
        return outcome

    def _resources(self, demand: Demand) -> dict[str, float]:
        """Return what Ray calls the resources of a job; a slot is its part of the smallest machine's cores."""
        cores = min((machine["CPU"] for machine in self._machines()), default=1)
        needed = {"CPU": demand.slots * max(1, int(cores) // self.slots), "GPU": demand.gpus}
        return needed | ({"memory": int(demand.memory_gb * 2**30)} if demand.memory_gb else {})

    def _machines(self) -> list[dict[str, float]]:
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        return [resources for resources in nodes if resources.get("CPU")]  # a head may have none to give


def not_arrived(folder: Path, written: Hashes, seconds: float = ARRIVAL_SECONDS) -> str | None:
    """Wait until `folder` holds what was `written`; return a file that is not there, or another, after `seconds`."""
    until = time.monotonic() + seconds
    while True:
        found = hashes(folder)
        different = [name for name, sha256 in written.items() if found.get(name) != sha256]
        if not different:
            return None
        if time.monotonic() > until:
            return different[0]
        time.sleep(0.5)


def hashes(folder: Path) -> Hashes:
    """Return the sha256 of every file in a folder, by its path there."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): _sha256(path) for path in files}


def _work(job: Job, key: str) -> tuple[Outcome, Hashes]:
    """Run one job on the machine that Ray has chosen; return also what it has written."""
    folder = job.log.parent
    if not (folder / KEY).exists() or _sha256(folder / KEY) != key:
        raise FileNotFoundError(f"{platform.node()} does not see {folder} as the runner does: {SHARED}")
    with LocalExecutor(Pool(job.demand.slots, visible_gpus())) as executor:
        executor.submit(replace(job, imports=None))  # nobody to share them with
        while not (ended := executor.wait(1)):
            pass
    return ended[0], hashes(folder)


@contextmanager
def cluster(needed: Mapping[str, int]) -> Iterator[ModuleType]:
    """Give Ray, connected to the cluster of RAY_ADDRESS, or else started here and ended with the block.

    `needed` are resources as Ray names them. ValueError: the cluster has fewer, or the extra is not installed.
    """
    ray = import_ray()
    begun = not ray.is_initialized()
    if begun:
        ray.init(log_to_driver=False, logging_level="error", include_dashboard=False)
    try:
        for name, wanted in needed.items():
            if (there := int(ray.cluster_resources().get(name, 0))) < wanted:
                raise ValueError(f"workers: {wanted} are asked for, the Ray cluster has {there} {name}s")
        yield ray
    finally:
        if begun:
            ray.shutdown()


def import_ray() -> ModuleType:
    """Return Ray. ValueError: the extra is not installed."""
    try:
        import ray
    except ImportError as error:
        raise ValueError("this needs the package ray: pip install '.[cluster]'") from error
    return ray


def _said(resources: dict[str, float]) -> str:
    return ", ".join(f"{amount:g} {name}" for name, amount in resources.items() if amount)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
