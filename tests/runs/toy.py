"""Notebook parameters of a toy project; its kernels import this module too."""

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
