"""Notebook parameters of a toy project; its kernels import this module too."""

from pathlib import Path

from stackstudy import params


class First(params.Parameters):
    products = ("numbers.txt",)

    source: str
    amount: params.Count
    trouble: str  # what goes wrong: "", "error", "sleep", "no product", "die"


class Second(params.Parameters):
    needs = ("01-first",)
    products = ("tables/doubled.csv",)

    factor: float
    trouble: str


class Third(params.Parameters):
    needs = ("02-*",)

    seeds: params.Seeds


NOTEBOOKS = {"01-first": First, "02-second": Second, "03-third": Third}


def planned(root: Path, experiment: str) -> str:
    """Return what ``plans.txt``, with lines "experiment trouble", wants to go wrong: unlike a parameter, in no key."""
    path = root / "plans.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.partition(" ")[2] for line in lines if line.startswith(experiment + " ")), "")
