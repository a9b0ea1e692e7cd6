"""Rows of experiments as a table or as lines, and what a runner says while it works."""

import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from stackstudy.runs.folder import last_lines, shown
from stackstudy.runs.status import Row

SECONDS_BETWEEN_SIGNS = 12.0  # of life, where there is no terminal to draw on
LOG_LINES = 5  # of a failure, in the final table
LAYOUT: dict[str, dict[str, Any]] = {
    "experiment": {"no_wrap": True, "min_width": 24},
    "state": {"no_wrap": True, "min_width": 7},
    "stage": {"no_wrap": True},
    "progress": {"no_wrap": True, "justify": "right", "min_width": 8},
    "left": {"no_wrap": True, "justify": "right"},
    "time": {"no_wrap": True, "justify": "right", "min_width": 6},
    "memory": {"no_wrap": True, "justify": "right"},
    "device": {"no_wrap": True},
    "latest": {"overflow": "fold"},
}
COLOURS = {"done": "green", "running": "cyan", "failed": "red", "stale": "yellow", "missing": "dim"}


@dataclass(frozen=True)
class Result:
    """How an experiment of a batch came out; `good` when its results are at hand."""

    name: str
    state: str  # done, skipped, failed
    seconds: float | None = None
    reason: str = ""
    good: bool = True
    log: Path | None = None


def table(rows: list[Row]) -> Table:
    """Return the rows as a table, without columns that would be empty; state and progress stay readable if narrow."""
    cells = [_cells(row) for row in rows]
    result = Table(box=None, pad_edge=False, header_style="bold")
    columns = [column for column in LAYOUT if any(row[column] for row in cells)]
    for column in columns:
        result.add_column(column, **LAYOUT[column])
    for row in cells:
        result.add_row(*(row[column] for column in columns))
    return result


def duration(seconds: float | None) -> str:
    """Return a length of time in the two units that matter; empty for None."""
    if seconds is None:
        return ""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


class View:
    """A line when something starts or ends; between those a live table, or an occasional line without a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, transient=True) if console.is_terminal else None
        self._said = time.monotonic()

    def watching(self) -> AbstractContextManager:
        return self._live or nullcontext()

    def say(self, text: str, style: str | None = None) -> None:
        """Print one line, whatever its length."""
        self._console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)
        self._said = time.monotonic()

    def update(self, rows: list[Row]) -> None:
        """Show how far the running experiments are."""
        if self._live:
            self._live.update(table(rows))
        elif time.monotonic() - self._said > SECONDS_BETWEEN_SIGNS:
            for row in rows:
                self.say(f"   {row.name}: {_line(row)}")

    def ended(self, result: Result, count: int, total: int) -> None:
        """Say at once how an experiment came out, and how many of all are over."""
        so_far = f"{count} of {total}"
        if result.good:
            self.say(f"ok {result.name} ({duration(result.seconds)}), {so_far}")
        else:
            self.say(f"!! {result.name} failed after {duration(result.seconds)}, {so_far}: {result.reason}", "red")

    def summary(self, results: list[Result]) -> None:
        """Print the final table; failures come last, with the path and the last lines of their logs."""
        width = max(len(result.name) for result in results)
        self.say("")
        for result in sorted(results, key=lambda result: not result.good):
            about = result.reason or duration(result.seconds)
            self.say(f"{result.name:{width}}  {result.state:7}  {about}", None if result.good else "red")
            if result.log and result.log.exists():
                self.say(f"  log: {shown(result.log)}")
                for line in last_lines(result.log, LOG_LINES):
                    self.say(f"  | {line.rstrip()}")
        if bad := sum(not result.good for result in results):
            self.say(f"{bad} of {len(results)} experiments did not end well", "bold red")


def _cells(row: Row) -> dict[str, str]:
    return {
        "experiment": row.name,
        "state": f"[{COLOURS[row.state]}]{row.state}[/]",
        "stage": row.stage,
        "progress": _steps(row),
        "left": duration(row.seconds_left),
        "time": duration(row.wall_seconds),
        "memory": f"{row.memory_mb:.0f} MB" if row.memory_mb else "",
        "device": row.device,
        "latest": _latest(row),
    }


def _line(row: Row) -> str:
    parts = [f"{row.stage} {_steps(row)}".strip() or "at work", _latest(row)]
    if row.seconds_left is not None:
        parts.append(f"about {duration(row.seconds_left)} left")
    return ", ".join(part for part in (*parts, duration(row.wall_seconds)) if part)


def _steps(row: Row) -> str:
    return f"{row.done}/{row.total}" if row.total else ""


def _latest(row: Row) -> str:
    return row.note or ", ".join(f"{name} {value:.4g}" for name, value in row.values.items())
