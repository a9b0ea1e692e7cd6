"""Checks on what a figure is given: an empty or broken input is an error that names it, never an empty picture."""

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import ArrayLike


def numbers(data: ArrayLike, what: str) -> np.ndarray:
    """Return `data` as float64 (n,); ValueError if it is empty, not flat, or holds missing or infinite values."""
    array = np.asarray(data, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{what}: expected one row of numbers, got an array of shape {array.shape}")
    if not array.size:
        raise ValueError(f"{what}: nothing to draw, the input is empty")
    if bad := int((~np.isfinite(array)).sum()):
        raise ValueError(f"{what}: {bad} of {array.size} values are missing or infinite; drop them before drawing")
    return array


def series(data: Mapping[str, ArrayLike], what: str) -> dict[str, np.ndarray]:
    """Return every named series of `data` as float64 (n,), in the order given; ValueError if there is none."""
    if not data:
        raise ValueError(f"{what}: nothing to draw, there are no series")
    return {name: numbers(values, f"{what}, {name}") for name, values in data.items()}


def pair(first: ArrayLike, second: ArrayLike, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Return two arrays of the same length as float64 (n,); ValueError if the lengths differ."""
    one, two = numbers(first, what), numbers(second, what)
    if one.size != two.size:
        raise ValueError(f"{what}: the two inputs must have the same length, got {one.size} and {two.size}")
    return one, two


def table(frame: pl.DataFrame, columns: tuple[str, ...], what: str, may_miss: tuple[str, ...] = ()) -> pl.DataFrame:
    """Return `columns` of `frame`; ValueError if one is missing or there are no rows, or where values are missing.

    Only the columns `may_miss` may have missing values.
    """
    if missing := [name for name in columns if name not in frame.columns]:
        raise ValueError(f"{what}: column {', '.join(missing)} is missing; the table has {', '.join(frame.columns)}")
    if frame.is_empty():
        raise ValueError(f"{what}: nothing to draw, the table has no rows")
    picked = frame.select(columns)
    for name in sorted(set(columns) - set(may_miss)):
        if picked[name].dtype.is_numeric():
            numbers(picked[name], f"{what}, column {name}")
        elif picked[name].null_count():
            raise ValueError(f"{what}, column {name}: {picked[name].null_count()} values are missing")
    return picked
