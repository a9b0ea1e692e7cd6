"""Rows of experiments as a table or as lines, and what a runner says while it works."""

import time
from contextlib import AbstractContextManager, nullcontext

from rich.console import Console
from rich.live import Live
from rich.table import Table

from stackstudy.runs.status import Row

SECONDS_BETWEEN_SIGNS = 12.0  # of life, where there is no terminal to draw on
COLOURS = {"done": "green", "running": "cyan", "failed": "red", "stale": "yellow", "missing": "dim"}


def table(rows: list[Row]) -> Table:
    """Return the rows as a table."""
    result = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("experiment", "state", "stage"):
        result.add_column(column, no_wrap=True)
    for column in ("progress", "left", "time", "memory"):
        result.add_column(column, justify="right", no_wrap=True)
    result.add_column("latest", overflow="fold")
    for row in rows:
        state = f"[{COLOURS[row.state]}]{row.state}[/]"
        memory = f"{row.memory_mb:.0f} MB" if row.memory_mb else ""
        cells = (_steps(row), duration(row.seconds_left), duration(row.wall_seconds), memory, _latest(row))
        result.add_row(row.name, state, row.stage, *cells)
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

    def failures(self, errors: dict[str, str], logs: dict[str, str], total: int) -> None:
        """Print what failed, the last line of its error and where its log is."""
        self.say(f"\n{len(errors)} of {total} experiments did not end well:", "bold red")
        for name, error in errors.items():
            self.say(f"  {name}  {error}")
            if name in logs:
                self.say(f"  {'':{len(name)}}  log: {logs[name]}")


def _line(row: Row) -> str:
    parts = [f"{row.stage} {_steps(row)}".strip() or "at work", _latest(row)]
    if row.seconds_left is not None:
        parts.append(f"about {duration(row.seconds_left)} left")
    return ", ".join(part for part in (*parts, duration(row.wall_seconds)) if part)


def _steps(row: Row) -> str:
    return f"{row.done}/{row.total}" if row.total else ""


def _latest(row: Row) -> str:
    return row.note or ", ".join(f"{name} {value:.4g}" for name, value in row.values.items())
