"""Claim: `make report` with nothing to do takes 15 s, and the paper alone, with each of its formats made anew, 5 s.

It needs the finished runs of a profile (`make report` first); without them it measures nothing, and says so.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.sizes import Sizes
from benchmarks.timing import NotReady, Numbers, Result, in_turn
from stackstudy.paths import project_root, report_dir
from stackstudy.runs.status import overview

CLAIMS = {"report": ("nothing to do", 15.0), "paper": ("all formats made anew", 5.0)}  # with their seconds


def command(name: str, profile: str) -> Callable[[], Numbers]:
    """Side that calls the console command."""

    def work() -> Numbers:
        program = Path(sys.executable).parent / "stackstudy"
        if name == "paper":
            for path in (report_dir() / "build" / profile).glob("stackstudy.*"):
                path.unlink()
        subprocess.run([program, name, profile], cwd=project_root(), capture_output=True, check=True)
        return {}

    return work


def measure(sizes: Sizes, folder: Path) -> Iterator[Result]:
    profile = sizes.profile
    if waiting := [row.name for row in overview(profile) if row.state != "done"]:
        raise NotReady(f"{len(waiting)} runs of profile {profile} are not up to date: make report PROFILE={profile}")
    found = in_turn(sizes.rounds, **{name: (command, name, profile) for name in CLAIMS})
    for name, (what, limit) in CLAIMS.items():
        yield Result(
            name=f"make_{name}",
            workload=f"make {name}, {what}, profile {profile}",
            target=f"{limit:.0f} s",
            met=found[name].seconds <= limit,
            ours_seconds=found[name].seconds,
        )
