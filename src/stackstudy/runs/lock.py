"""One runner per profile: a file lock that also tells which processes are under way."""

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from stackstudy.paths import runs_dir
from stackstudy.runs.executor import Place


@contextmanager
def locked(profile: str) -> Iterator[Callable[[Mapping[str, Place]], None]]:
    """Hold the lock of a profile; the yielded function records which experiments run, and where.

    ValueError: another process holds it. The lock ends with the process, however that ends.
    """
    path = _path(profile)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        if not _lock(file):
            raise ValueError(
                f"profile {profile} is being run by another process{_holder(path)}: "
                f"wait for it to end, `stackstudy status {profile} --watch` shows how far it is"
            )

        def record(running: Mapping[str, Place]) -> None:
            with suppress(OSError):  # on a full disk nobody sees how far it is, but the batch goes on
                path.write_text(json.dumps({"runner": os.getpid(), "running": dict(running)}), encoding="utf-8")

        record({})
        yield record


def running(profile: str) -> dict[str, Place]:
    """Return the experiments that run now, and where; empty when no runner is at work."""
    path = _path(profile)
    if not path.exists():
        return {}
    with path.open(encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return {name: Place(*place) for name, place in _content(path).get("running", {}).items()}
    return {}


def _lock(file: TextIO) -> bool:
    # Several tries, since `running` holds the lock too, for an instant.
    for _ in range(10):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.02)
        else:
            return True
    return False


def _path(profile: str) -> Path:
    return runs_dir(profile) / "runner.lock"


def _holder(path: Path) -> str:
    runner = _content(path).get("runner")
    return f" ({runner})" if runner else ""


def _content(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError:  # caught in the middle of a write
        return {}
