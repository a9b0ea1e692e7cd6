"""A pytest plugin for nbval: each test process runs notebooks in a project of its own, with the runs of the checkout.

So they can run side by side, and replace no run of the checkout by one by hand. Each notebook begins with those runs
as they are in the checkout: what another one ran by hand before it would no longer be what later runs were made from.
"""

import os
import shutil
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
RUNS = CHECKOUT / "runs" / "smoke"
SHARED = ("notebooks", "profiles", "report", "requirements.txt", ".git")
ROOT = pytest.StashKey[Path]()
NOTEBOOK = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        return  # this process only hands out the work
    root = CHECKOUT / "runs" / f".notebooks-{os.getpid()}"
    root.mkdir(parents=True)
    config.stash[ROOT] = root
    for name in SHARED:
        (root / name).symlink_to(CHECKOUT / name)
    os.environ["STACKSTUDY_ROOT"] = str(root)


@pytest.hookimpl(tryfirst=True)  # before the kernel of the notebook starts
def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.config.stash.get(NOTEBOOK, None) == item.path:
        return
    item.config.stash[NOTEBOOK] = item.path
    runs = item.config.stash[ROOT] / "runs"
    if runs.exists():
        shutil.rmtree(runs)
    if RUNS.exists():  # files are replaced, never changed, so that links will do
        shutil.copytree(RUNS, runs / "smoke", copy_function=os.link)


def pytest_unconfigure(config: pytest.Config) -> None:
    if ROOT in config.stash:
        shutil.rmtree(config.stash[ROOT])
