"""How figures, tables and numbers are written: the same input gives the same bytes."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackstudy.paths import replacing

if TYPE_CHECKING:
    import polars
    from matplotlib.figure import Figure

DOTS_PER_INCH = 200


def save_figure(figure: "Figure", folder: Path, name: str) -> None:
    """Write `folder`/`name`.png (200 dpi) and .svg (its pictures too), without dates, versions or random ids."""
    import matplotlib

    with matplotlib.rc_context({"svg.hashsalt": name}):
        with replacing(folder / f"{name}.png") as path:
            figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})
        with replacing(folder / f"{name}.svg") as path:
            figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Date": None, "Creator": None})


def save_table(frame: "polars.DataFrame", path: Path) -> None:
    """Write `frame` as CSV."""
    with replacing(path) as fresh:
        frame.write_csv(fresh)


def save_json(content: Any, path: Path) -> None:
    """Write `content` as JSON, indented and with sorted keys."""
    with replacing(path) as fresh:
        fresh.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def merged(old: Mapping[str, Any], new: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """Return `old` with the leaves of `new` laid over it.

    A leaf is a text, a truth value or a finite number (numpy's too). ValueError: NaN, infinity or anything else,
    naming the leaf by its dotted path.
    """
    result = dict(old)
    for name, value in new.items():
        path = f"{where}.{name}" if where else str(name)
        if not isinstance(name, str):
            raise ValueError(f"metric {path}: names are texts, found {name!r}")
        if isinstance(value, Mapping):
            below = result.get(name, {})
            result[name] = merged(below if isinstance(below, Mapping) else {}, value, path)
        else:
            result[name] = _leaf(value, path)
    return result


def _leaf(value: Any, path: str) -> str | bool | int | float:
    plain = value.item() if hasattr(value, "item") and getattr(value, "ndim", None) == 0 else value
    if not isinstance(plain, str | bool | int | float):
        raise ValueError(f"metric {path}: expected a number or a text, found {type(value).__name__}")
    if isinstance(plain, float) and not math.isfinite(plain):
        raise ValueError(f"metric {path} is {plain}: only finite numbers can go into the paper")
    return plain
