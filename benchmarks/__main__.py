"""Run the benchmarks, all or those named, and print one table: `python -m benchmarks [--smoke] [NAME ...]`."""

import argparse
import sys
import tempfile
import time
import traceback
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.sizes import FULL, SMOKE, Sizes
from benchmarks.timing import NotReady, Result, limits
from stackstudy.figures.speed import ratios, three_digits
from stackstudy.paths import results_dir
from stackstudy.runs.products import save_figure, save_json

BENCHMARKS = (
    "training",
    "time_to_f1",
    "mapped_memory",
    "xgboost_single_label",
    "embedding",
    "kmeans",
    "evaluation",
    "ingestion",
    "report",
    "growth",
    "million",
)


def main(arguments: list[str] | None = None) -> int:
    """Return 0 if all benchmarks ran, whether or not they met their targets, and 1 if one failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all if not given")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes: they show that it runs, and judge nothing")
    where = "JSON to write, with a figure beside it; in results/benchmarks if all are run at full size"
    parser.add_argument("--out", type=Path, help=where)
    asked = parser.parse_args(arguments)
    if unknown := set(asked.names) - set(BENCHMARKS):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    whole = not asked.names and not asked.smoke
    out = asked.out or (results_dir("benchmarks") / "benchmarks.json" if whole else None)
    sizes = SMOKE if asked.smoke else FULL
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        machine = limits(sizes.limit_side, sizes.limit_bytes, Path(folder))
        results, failed = _measure(asked.names or BENCHMARKS, sizes, Path(folder))
    Console(width=None if sys.stdout.isatty() else 170).print(table(results))
    print(", ".join(f"{name.replace('_', ' ')} {value:,.4g}" for name, value in machine.items()))
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    if out:
        found = {result.name: {"place": place, **result.flat()} for place, result in enumerate(results)}
        save_json({"machine": machine, **found}, out)
        save_figure(ratios(found.values()), out.parent, "speed")
        print(out)
    return 1 if failed else 0


def table(results: list[Result]) -> Table:
    """Return a row for each result."""
    made = Table("workload", box=None, pad_edge=False, header_style="bold")
    for column in ("ours, s", "usual, s", "ratio", "of limit", "memory, MB", "target", "met"):
        made.add_column(column, justify="left" if column == "target" else "right")
    for each in results:
        values = (each.ours_seconds, each.usual_seconds, each.ratio, each.of_limit, each.peak_memory_mb)
        made.add_row(each.workload, *map(_number, values), each.target, "yes" if each.met else "no")
    return made


def _measure(names: tuple[str, ...], sizes: Sizes, folder: Path) -> tuple[list[Result], list[str]]:
    results, failed = [], []
    for name in names:
        began = time.perf_counter()
        try:
            with tempfile.TemporaryDirectory(dir=folder) as own:
                results += import_module(f"benchmarks.{name}").measure(sizes, Path(own))
        except NotReady as reason:
            print(f"{name}: not measured, {reason}", file=sys.stderr)
        except Exception:  # the others are still worth their while
            traceback.print_exc()
            failed.append(name)
        print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    return results, failed


def _number(value: float | None) -> str:
    return "" if value is None else three_digits(value)


if __name__ == "__main__":
    sys.exit(main())
