"""Numbers and tables as the paper prints them; every chapter, table and interval goes through here."""

import csv
import math
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

Cell = int | float | str | None

ACRONYMS = {
    "f1": "F1",
    "r2": "R²",
    "rmse": "RMSE",
    "mae": "MAE",
    "svd": "SVD",
    "pca": "PCA",
    "lrap": "LRAP",
    "ece": "ECE",
}
MARKUP = frozenset("\\`*_{}[]()<>#+-.!|~^$@'\"&:")


def f(value: float, digits: int) -> str:
    """Return `value` with this many digits and no zero before the point: ``.712``, ``−.020``, ``137.57``."""
    plain = f"{_number(value):.{digits}f}"
    sign = "−" if plain.startswith("-") and float(plain) != 0 else ""
    whole, point, rest = plain.lstrip("-").partition(".")
    return sign + ("" if whole == "0" and point else f"{int(whole):,}") + point + rest


def fitting_digits(values: Iterable[float]) -> int:
    """Return how many digits to show of values that are shown together: 3 below 10, 2 below 100, then 1."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0)
    return 3 if largest < 10 else 2 if largest < 100 else 1


def signed(value: float, digits: int) -> str:
    """Return `value` with its sign always shown: ``+.012``."""
    text = f(value, digits)
    return text if text.startswith("−") or float(f"{value:.{digits}f}") == 0 else f"+{text}"


def percent(value: float, digits: int = 0) -> str:
    """Return a share as per cent: ``.384`` as ``38.4%``."""
    return f"{100 * _number(value):.{digits}f}%".replace("-", "−")


def thousands(value: float) -> str:
    """Return a count with separators: ``12,345``."""
    return f"{_number(value):,.0f}".replace("-", "−")


def interval(low: float, high: float, digits: int) -> str:
    """Return ``[.701, .723]``."""
    return f"[{f(low, digits)}, {f(high, digits)}]"


def with_interval(value: float, low: float, high: float) -> str:
    """Return ``.712 [.701, .723]``."""
    digits = fitting_digits((low, value, high))
    return f"{f(value, digits)} {interval(low, high, digits)}"


def difference(value: float, low: float, high: float) -> str:
    """Return ``+.012 [.002, .021]``."""
    digits = fitting_digits((value, low, high))
    return f"{signed(value, digits)} {interval(low, high, digits)}"


def p_value(p: float) -> str:
    """Return ``= .018``, or ``< .001``."""
    return "< .001" if p < 0.001 else f"= {f(p, 3)}"


def test_result(value: float, low: float, high: float, p: float) -> str:
    """Return ``+.012 [.002, .021], p = .018``."""
    return f"{difference(value, low, high)}, p {p_value(p)}"


def pipes(rows: Iterable[Iterable[str]]) -> str:
    """Return cells as a pipe table; the first row has the headings, the second the alignments."""
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def pipe_table(path: Path, columns: Sequence[str] | None = None, rows: int | None = None) -> str:
    """Return a CSV as a pipe table, or these columns and that many first rows of it.

    Headings are readable, numbers stand to the right, intervals (``<name>_low``, ``<name>_high``) beside their values.
    """
    cells = _read_columns(path, rows)
    shown = columns or [name for name in cells if not is_bound(name, cells)]
    if unknown := [name for name in shown if name not in cells]:
        raise ValueError(f"table {path.stem} has no column {unknown[0]}; there are: {', '.join(cells)}")
    heads, texts, marks = zip(*(_column(name, cells) for name in shown), strict=True)
    return pipes([heads, marks, *zip(*texts, strict=True)])


def heading(name: str) -> str:
    """Return a column name as a heading: ``f1_weighted`` as ``F1 weighted``."""
    words = [ACRONYMS.get(word, word) for word in name.replace("-", "_").split("_") if word]
    first = words[0] if words[0] in ACRONYMS.values() else words[0][:1].upper() + words[0][1:]
    return " ".join([first, *words[1:]])


def escape(text: str) -> str:
    """Return `text` so that Markdown prints it as it is; tag names such as ``c++`` and ``@types`` need it."""
    return "".join(f"\\{character}" if character in MARKUP else character for character in text)


def is_bound(name: str, names: Collection[str]) -> bool:
    """Tell whether a name is that of the lower or upper end of the interval of another one."""
    stem, _, end = name.rpartition("_")
    return end in {"low", "high"} and {stem, f"{stem}_low", f"{stem}_high"} <= set(names)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"expected a number, found {value!r}")
    return value


def _column(name: str, columns: dict[str, list[Cell]]) -> tuple[str, list[str], str]:
    """Return heading, cells and alignment mark of one column; what is empty in a column of numbers becomes a dash."""
    values = columns[name]
    if any(isinstance(value, str) for value in values):
        return heading(name), [escape(str(value)) for value in values], ":---"
    bounded = f"{name}_low" in columns and f"{name}_high" in columns
    known = [value for value in values if value is not None]
    digits = 0 if not bounded and _are_counts(known) else fitting_digits(known)
    cells = [_show(value, digits) for value in values]
    if bounded:
        bounds = zip(columns[f"{name}_low"], columns[f"{name}_high"], strict=True)
        cells = [_with_bounds(cell, *ends, digits) for cell, ends in zip(cells, bounds, strict=True)]
    return heading(name), cells, "---:"


def _are_counts(values: Sequence[float]) -> bool:
    """Tell whether all are whole and some more than a share can be: counts, and means of counts."""
    return any(value > 1 for value in values) and all(abs((value + 0.5) % 1 - 0.5) < 1e-9 for value in values)


def _show(value: Cell, digits: int) -> str:
    if value is None or math.isnan(value):
        return "–"
    return thousands(value) if isinstance(value, int) else f(value, digits)


def _with_bounds(cell: str, low: Cell, high: Cell, digits: int) -> str:
    return cell if None in (low, high) or cell == "–" else f"{cell} {interval(low, high, digits)}"


def _read_columns(path: Path, rows: int | None) -> dict[str, list[Cell]]:
    """Return the columns of a CSV, by name; ValueError: no header, or a row with more or fewer cells than it."""
    with path.open(encoding="utf-8", newline="") as lines:
        names, *cells = list(csv.reader(lines)) or [[]]
    if not names:
        raise ValueError(f"{path}: the table has no columns")
    for number, row in enumerate(cells, 2):
        if len(row) != len(names):
            raise ValueError(f"{path}, line {number}: {len(row)} cells, the first line has {len(names)}")
    return {name: _parse([row[at] for row in cells[:rows]]) for at, name in enumerate(names)}


def _parse(texts: Sequence[str]) -> list[Cell]:
    """Read a column as whole numbers, else as numbers (empty cells as None), else as text."""
    for kind in (int, float):
        try:
            return [kind(text) if text else None for text in texts]
        except ValueError:
            continue
    return list(texts)
