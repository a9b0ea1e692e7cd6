"""Where and how a run was made: what ``environment.json`` holds."""

import os
import platform
import resource
import subprocess
import sys
from importlib import metadata
from typing import Any

from stackstudy.paths import project_root

PACKAGES = (
    "numpy",
    "polars",
    "scikit-learn",
    "scipy",
    "sentence-transformers",
    "stackstudy",
    "torch",
    "transformers",
    "xgboost",
)


def describe_environment(wall_seconds: float) -> dict[str, Any]:
    """Return commit, versions, hardware, wall time and peak memory of this process (and of its GPU if it used one)."""
    changes = _git("status", "--porcelain", "--untracked-files=no")
    return {
        "commit": _git("rev-parse", "HEAD"),
        "dirty": None if changes is None else changes != "",
        "versions": {name: metadata.version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "threads": int(os.environ.get("OMP_NUM_THREADS") or available_cores()),
        "wall_seconds": round(wall_seconds, 2),
        "peak_memory_mb": round(peak_memory_mb()),
        **_device(),
    }


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def peak_memory_mb() -> float:
    """Return the largest memory that this process has had so far, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage(2): bytes there, kilobytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def _git(*arguments: str) -> str | None:
    """Return what git says; None where there is no git or no commit, as in an unpacked archive."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=project_root(), capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _processor() -> str:
    """Return the name of the processor; Linux keeps it in /proc/cpuinfo only."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123 - a pseudo file
            names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def _device() -> dict[str, Any]:
    """Return the device, whether it trains in bfloat16, and a GPU's peak memory; torch is not imported for this."""
    torch = sys.modules.get("torch")
    if torch is None:
        return {"device": "cpu"}
    from stackstudy.devices import in_bfloat16  # imports torch

    if not torch.cuda.is_initialized():
        return {"device": "cpu", "bfloat16": in_bfloat16("cpu")}
    peak = torch.cuda.max_memory_allocated() / 2**20
    gpu = {"device": torch.cuda.get_device_name(), "bfloat16": in_bfloat16("cuda")}
    return gpu | {"peak_gpu_memory_mb": round(peak)}
