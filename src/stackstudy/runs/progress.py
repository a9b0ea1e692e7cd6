"""Progress of long loops: one JSON line per report for ``stackstudy status``, and a bar where someone watches."""

import json
import math
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SECONDS_BETWEEN_LINES = 0.3
LATEST_BYTES = 64 * 1024


@dataclass
class _State:
    folder: Path | None = None  # set by a notebook opened by hand; the runner says it through the environment
    stage: str | None = None
    written: float = -math.inf
    bar: Any = field(default=None, repr=False)
    silent: bool = False


_state = _State()


def report(stage: str, done: int, total: int, **values: float) -> None:
    """Say that `done` of `total` steps of `stage` are over, with the latest values (for example ``loss=0.3``).

    Cheap enough for every batch: a few lines a second are written, the first and the last of a stage always.
    """
    if _state.silent:
        return
    now = time.monotonic()
    first, last = stage != _state.stage, done >= total
    if not (first or last) and now - _state.written < SECONDS_BETWEEN_LINES:
        return
    # After its last report a stage may come again, for example with the next seed: that is a first one.
    _state.stage, _state.written = None if last else stage, now
    numbers = {name: float(value) for name, value in values.items()}
    if folder := current_folder():
        _append(folder / "progress.jsonl", stage, done, total, numbers)
    if watched():
        _draw(stage, done, total, numbers, first=first, last=last)


def record_in(folder: Path | None) -> None:
    """Append the reports of this process to `folder`; for a notebook that was opened by hand."""
    _state.folder = folder


@contextmanager
def silence() -> Iterator[None]:
    """Report nothing inside: for work that is over before anyone could read of it."""
    before, _state.silent = _state.silent, True
    try:
        yield
    finally:
        _state.silent = before


def current_folder() -> Path | None:
    """Return the run folder of this process, or None outside a run."""
    if _state.folder is None and (told := os.environ.get("STACKSTUDY_RUN_DIR")):
        return Path(told)
    return _state.folder


def watched() -> bool:
    """Tell whether someone sees this process: a terminal, or a notebook open in Jupyter, but not a batch run.

    Jupyter's server names the open notebook in ``JPY_SESSION_NAME``; nbconvert, nbval and papermill do not, so
    the notebooks that they execute keep no trace of a bar.
    """
    if "STACKSTUDY_RUN_DIR" in os.environ:
        return False
    return "JPY_SESSION_NAME" in os.environ or sys.stderr.isatty()


def read(path: Path) -> list[dict[str, Any]]:
    """Return the latest reports in a ``progress.jsonl``, some hundreds; a line cut short is left out."""
    if not path.exists():
        return []
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LATEST_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    reports = []
    for line in lines:
        try:
            reports.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return reports


def _append(path: Path, stage: str, done: int, total: int, values: dict[str, float]) -> None:
    finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
    line = {"time": round(time.time(), 3), "stage": stage, "done": done, "total": total, "values": finite}
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(line) + "\n")


def _draw(stage: str, done: int, total: int, values: dict[str, float], *, first: bool, last: bool) -> None:
    from tqdm.auto import tqdm

    if first or _state.bar is None:
        _close()
        _state.bar = tqdm(total=total, desc=stage, leave=False)
    _state.bar.total, _state.bar.n = total, done
    _state.bar.set_postfix(values)
    if last:
        _close()


def _close() -> None:
    if _state.bar is not None:
        _state.bar.close()
        _state.bar = None
