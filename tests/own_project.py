"""A pytest plugin for nbval: each test process runs notebooks in a project of its own, with the runs of the checkout.

So they can run side by side, and replace no run of the checkout by one by hand. They run in the order of their names:
what a notebook needs must not be run by hand after it, or its results are no longer those that it was made from.
"""

import os
import shutil
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
SHARED = ("notebooks", "profiles", "report", "requirements.txt", ".git")
KEY = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        return  # this process only hands out the work
    root = CHECKOUT / "runs" / f".notebooks-{os.getpid()}"
    root.mkdir(parents=True)
    config.stash[KEY] = root
    for name in SHARED:
        (root / name).symlink_to(CHECKOUT / name)
    if (runs := CHECKOUT / "runs" / "smoke").exists():  # files are replaced, never changed, so that links will do
        shutil.copytree(runs, root / "runs" / "smoke", copy_function=os.link)
    os.environ["STACKSTUDY_ROOT"] = str(root)


def pytest_unconfigure(config: pytest.Config) -> None:
    if KEY in config.stash:
        shutil.rmtree(config.stash[KEY])
