"""What a machine has for experiments (slots, GPUs, memory), and what of it is free."""

import math
import os
import shutil
import subprocess
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache

ROUNDING = 1e-9  # three thirds of a GPU are a GPU


@dataclass(frozen=True)
class Demand:
    """What one experiment takes. `gpus`: a whole number, or the fraction of one that it shares with others."""

    slots: int = 1
    gpus: float = 0
    memory_gb: float | None = None  # None: neither counted nor limited


@dataclass(frozen=True)
class Taken:
    """A demand that is met, and the ids of its GPUs as ``CUDA_VISIBLE_DEVICES`` takes them."""

    demand: Demand
    gpus: tuple[str, ...]


@dataclass(frozen=True)
class Pool:
    """What there is in all; `gpus` are ids as ``CUDA_VISIBLE_DEVICES`` takes them."""

    slots: int
    gpus: tuple[str, ...] = ()
    memory_gb: float = math.inf

    def place(self, demand: Demand, taken: Collection[Taken] = ()) -> Taken | None:
        """Return the place of `demand` beside what is `taken`, None if there is no room for it."""
        slots = self.slots - sum(other.demand.slots for other in taken)
        memory = self.memory_gb - sum(other.demand.memory_gb or 0 for other in taken)
        if demand.slots > slots or (demand.memory_gb or 0) > memory:
            return None
        share = min(demand.gpus, 1)
        free = [gpu for gpu in self.gpus if _used(gpu, taken) + share <= 1 + ROUNDING]
        wanted = math.ceil(demand.gpus)
        return Taken(demand, tuple(free[:wanted])) if len(free) >= wanted else None


def this_machine(slots: int, gpus: int | None = None, memory_gb: float | None = None) -> Pool:
    """Return the pool of this machine: all its GPUs and memory where no number says otherwise."""
    import psutil

    found = visible_gpus()
    if gpus is not None and gpus > len(found):
        raise ValueError(f"the profile counts on {gpus} GPUs, this machine shows {len(found)}: change `resources`")
    memory = psutil.virtual_memory().total / 2**30 if memory_gb is None else memory_gb
    return Pool(slots, found if gpus is None else found[:gpus], memory)


def visible_gpus() -> tuple[str, ...]:
    """Return the ids of the GPUs that this process may use: ``CUDA_VISIBLE_DEVICES``, else all of the machine."""
    if (told := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return tuple(part.strip() for part in told.split(",") if part.strip() not in ("", "-1"))
    return _installed_gpus()


@cache
def _installed_gpus() -> tuple[str, ...]:
    # Of the driver's own tool, since importing torch takes seconds and a runner needs nothing else of it.
    if shutil.which("nvidia-smi") is None:
        return ()
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):  # the tool without a driver
        return ()
    return tuple(done.stdout.split())


def _used(gpu: str, taken: Collection[Taken]) -> float:
    return sum(min(other.demand.gpus, 1) for other in taken if gpu in other.gpus)
