"""The one split of the study: a hash of each question's group, so that rows stay where they are when others come.

What another split would have given is asked in the audit alone.
"""

import numpy as np

TRAIN, TRAIN_AND_VALIDATION = 0.70, 0.85


def split_of(group: np.ndarray) -> np.ndarray:
    """Return train (70 %), validation (15 %) or test (15 %) for each group number, (n,) int64 -> (n,) object."""
    return _cut((_mix(group.astype(np.uint64)) >> np.uint64(11)) * 2.0**-53)


def random_split(group: np.ndarray, seed: int) -> np.ndarray:
    """Return another split with the same shares, drawn for each group number: (n,) int64 -> (n,) object.

    A group goes where its first row goes if every row is a group of its own, so that two groupings of the same rows
    have splits which differ in nothing but the grouping.
    """
    shares = np.random.default_rng(seed).random(len(group))
    _, first, which = np.unique(group, return_index=True, return_inverse=True)
    return _cut(shares[first][which])


def _cut(share: np.ndarray) -> np.ndarray:
    choices = [share < TRAIN, share < TRAIN_AND_VALIDATION]
    return np.select(choices, ["train", "validation"], default="test").astype(object)


def _mix(value: np.ndarray) -> np.ndarray:
    """Spread 64-bit numbers evenly (SplitMix64, Steele, Lea and Flood 2014); fixed for ever, since it is the split."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
