"""Every path of the project, and the one way to write a file: complete or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def project_root() -> Path:
    """Return the checkout: ``STACKSTUDY_ROOT``, else the nearest parent with ``profiles/`` and ``notebooks/``."""
    if override := os.environ.get("STACKSTUDY_ROOT"):
        return Path(override).resolve()
    for start in (Path.cwd(), Path(__file__).resolve()):
        for folder in (start, *start.parents):
            if (folder / "profiles").is_dir() and (folder / "notebooks").is_dir():
                return folder
    raise FileNotFoundError("no stackstudy checkout found: run from inside it, or set STACKSTUDY_ROOT to its folder")


def notebooks_dir() -> Path:
    return project_root() / "notebooks"


def profiles_dir() -> Path:
    return project_root() / "profiles"


def report_dir() -> Path:
    return project_root() / "report"


def runs_dir(profile: str) -> Path:
    """Full run folders of a profile, one per experiment; never committed."""
    return project_root() / "runs" / profile


def figures_dir(profile: str) -> Path:
    return project_root() / "figures" / profile


def results_dir(profile: str) -> Path:
    return project_root() / "results" / profile


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target`; rename it to `target` on success, remove it on failure.

    Works for a file and for a folder (the caller makes the folder at the yielded path). A reader sees the old
    content or the new one, never a part.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    fresh = scratch / target.name
    try:
        yield fresh
        if fresh.is_dir() and target.is_dir():
            target.rename(scratch / "old")
        fresh.replace(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
