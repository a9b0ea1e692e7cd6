"""What all benchmarks share: sides that take turns, each in a process of its own, and the limits of the machine."""

import gc
import multiprocessing
import os
import re
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import psutil
import torch

from stackstudy.devices import in_bfloat16
from stackstudy.runs.environment import available_cores, peak_memory_mb
from stackstudy.runs.memory import keep_freed_memory

Numbers = dict[str, float]
# A side reads its inputs and returns what is to be timed. That may say itself how many "seconds" it took.
Side = Callable[..., Callable[[], Numbers]]
SAMPLE_SECONDS = 0.5  # a look at all processes takes milliseconds
MATRIX_OPERATIONS, MOST_PRODUCTS = 5e10, 20  # of one look at the matrix rate
# A server that has the libraries imported forks each process: seconds less for each, and the same memory to begin with.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["benchmarks.networks", "benchmarks.embedding", "benchmarks.ingestion"])


class NotReady(Exception):
    """What is to be measured is not there yet; the message says what to do."""


@dataclass(frozen=True)
class Result:
    """One row of the table."""

    name: str
    workload: str
    target: str
    met: bool
    ours_seconds: float
    usual_seconds: float | None = None
    of_limit: float | None = None  # share of what the machine can do at most
    peak_memory_mb: float | None = None  # of our side, beyond what it had before it read its inputs
    notes: Numbers = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        return None if self.usual_seconds is None else self.usual_seconds / self.ours_seconds

    def flat(self) -> dict[str, Any]:
        """Return all as one flat mapping, ready for JSON."""
        fields = asdict(self)
        return {"ratio": self.ratio, **fields.pop("notes"), **fields}


@dataclass(frozen=True)
class Measured:
    """What the rounds of one side have shown."""

    seconds: float  # median of the rounds
    peak_mb: float  # resident memory beyond that before the inputs, pages of mapped files included
    anonymous_mb: float  # without pages of files, which the kernel may drop at any time; with processes it starts
    numbers: Numbers  # medians of what the rounds returned


def in_turn(rounds: int, **sides: tuple[Any, ...]) -> dict[str, Measured]:
    """Let `sides` (name -> function, and its arguments) take turns for some rounds, each in a process of its own.

    All but the one named ``usual`` keep freed memory, as a notebook of ours does.
    """
    workers: dict[str, _Worker] = {}
    try:
        for name, side in sides.items():
            workers[name] = _Worker(name, *side)
        for _ in range(rounds):
            for worker in workers.values():
                worker.round()
        return {name: worker.measured() for name, worker in workers.items()}
    finally:
        for worker in workers.values():
            worker.end()


def once(side: Side, *arguments: Any) -> Measured:
    """Return what one round of one side shows."""
    return in_turn(1, side=(side, *arguments))["side"]


def elsewhere(function: Callable[..., Any], *arguments: Any) -> None:
    """Call a function in a process of its own: its memory is not that of what comes after."""
    process = PROCESSES.Process(target=function, args=arguments)
    process.start()
    process.join()
    if process.exitcode:
        raise RuntimeError(f"{function.__module__}.{function.__name__} ended with code {process.exitcode}")


def matrix_product(rows: int, inner: int, columns: int, dtype: torch.dtype = torch.float32) -> Callable[[], Numbers]:
    """Side that measures the rate of the product (rows, inner) @ (inner, columns), in operations per second."""
    random = torch.Generator().manual_seed(0)
    left = torch.randn(rows, inner, generator=random, dtype=dtype)
    right = torch.randn(inner, columns, generator=random, dtype=dtype)
    operations = 2 * rows * inner * columns
    repeats = min(max(int(MATRIX_OPERATIONS / operations), 1), MOST_PRODUCTS)

    def work() -> Numbers:
        torch.matmul(left, right)
        began = time.perf_counter()
        for _ in range(repeats):
            torch.matmul(left, right)
        seconds = time.perf_counter() - began
        return {"seconds": seconds, "rate": repeats * operations / seconds}

    return work


def limits(side: int, size: int, folder: Path) -> Numbers:
    """Return what the machine can do: matrix rates for matrices of `side`, memory and disk for `size` bytes."""
    products = ["float32", "float64", *(["bfloat16"] if in_bfloat16("cpu") else [])]
    found = in_turn(
        3,
        **{name: (matrix_product, side, side, side, getattr(torch, name)) for name in products},
        memory=(_memory, size),
        disk=(_disk, folder / "limit", size),
    )
    return {
        "cores": available_cores(),
        **{f"{name}_gflops": found[name].numbers["rate"] / 1e9 for name in products},
        "memory_gb_per_second": found["memory"].numbers["rate"] / 1e9,
        "disk_write_mb_per_second": found["disk"].numbers["write"] / 1e6,
        "disk_read_mb_per_second": found["disk"].numbers["read"] / 1e6,
    }


def _memory(size: int) -> Callable[[], Numbers]:
    source = np.ones(size, dtype=np.uint8)
    target = np.zeros_like(source)

    def work() -> Numbers:
        began = time.perf_counter()
        np.copyto(target, source)
        return {"rate": 2 * size / (time.perf_counter() - began)}  # read and written

    return work


def _disk(path: Path, size: int) -> Callable[[], Numbers]:
    block = os.urandom(1 << 20)

    def work() -> Numbers:
        began = time.perf_counter()
        with path.open("wb") as file:
            for _ in range(size >> 20):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
        written = time.perf_counter() - began
        with path.open("rb") as file:
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            began = time.perf_counter()
            while file.read(1 << 20):
                pass
            read = time.perf_counter() - began
        path.unlink()
        return {"write": size / written, "read": size / read}

    return work


class _Worker:
    """A process that reads the inputs of a side, does a round when told, and tells what it took."""

    def __init__(self, role: str, side: Side, *arguments: Any) -> None:
        self.pipe, other = PROCESSES.Pipe()
        self.process = PROCESSES.Process(target=_serve, args=(other, role, side, arguments))
        self.process.start()
        other.close()
        self.name, self.rounds = f"{side.__module__}.{side.__name__}", []
        self._answer()

    def round(self) -> None:
        self.pipe.send("round")
        self.rounds.append(self._answer())

    def measured(self) -> Measured:
        self.pipe.send("memory")
        memory = self._answer()
        numbers = {name: median(each[name] for each in self.rounds) for name in self.rounds[0]}
        return Measured(numbers.pop("seconds"), memory["peak"], memory["anonymous"], numbers)

    def end(self) -> None:
        self.pipe.close()
        self.process.join()

    def _answer(self) -> Numbers:
        try:
            answer = self.pipe.recv()
        except EOFError:
            self.process.join()
            raise RuntimeError(f"{self.name} ended with code {self.process.exitcode}") from None
        if isinstance(answer, str):
            raise RuntimeError(f"{self.name} failed:\n{answer}")
        return answer


def _serve(pipe: Connection, role: str, side: Side, arguments: tuple[Any, ...]) -> None:
    if role != "usual":
        keep_freed_memory()
    gc.freeze()  # what the server has imported: a process that had not would not look through it for garbage
    try:
        memory = _Memory()
        work = side(*arguments)
        pipe.send({})
        while True:
            pipe.send(memory.beyond() if pipe.recv() == "memory" else _timed(work))
    except EOFError:  # the other end was closed: all rounds are over
        return
    except Exception:
        pipe.send(traceback.format_exc())


def _timed(work: Callable[[], Mapping[str, float]]) -> Numbers:
    began = time.perf_counter()
    numbers = work()
    return {"seconds": time.perf_counter() - began, **numbers}


class _Memory:
    """Watches the memory of this process, in MB, from now on."""

    def __init__(self) -> None:
        self.before, self.most = psutil.Process().memory_info().rss / 2**20, 0.0
        self.anonymous_before = _anonymous()
        threading.Thread(target=self._watch, daemon=True).start()

    def beyond(self) -> Numbers:
        """Return what there was at most, beyond what there was at the beginning."""
        # Where there is one, rather than ru_maxrss: that of a new process may begin with that of the one it came from.
        peak = _status("VmHWM") or peak_memory_mb()
        return {"peak": peak - self.before, "anonymous": max(self.most - self.anonymous_before, 0)}

    def _watch(self) -> None:
        while True:
            self.most = max(self.most, _anonymous())
            time.sleep(SAMPLE_SECONDS)


def _anonymous() -> float:
    """Return the resident memory without the pages of files of this process and those it started, in MB.

    Where the system does not tell them apart, with them.
    """
    own = psutil.Process()
    return sum(_status("RssAnon", each.pid) or _resident(each) for each in (own, *own.children(recursive=True)))


def _resident(process: psutil.Process) -> float:
    try:
        return process.memory_info().rss / 2**20
    except psutil.NoSuchProcess:  # it has just ended
        return 0.0


def _status(name: str, process: int | str = "self") -> float:
    """Return a field of /proc/<process>/status in MB; 0 where there is none, as on macOS."""
    try:
        found = re.search(rf"{name}:\s+(\d+)", Path(f"/proc/{process}/status").read_text())
    except OSError:
        return 0.0
    return int(found[1]) / 1024 if found else 0.0
