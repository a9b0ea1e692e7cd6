"""The two data files of the planted corpus as arrays: tags, their relations, and the kinds of question."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from stackstudy.runs.yaml_files import read_yaml

# Chance that an asker adds, out of nowhere, a related tag that the text does not mention (noise on the labels).
UNSEEN_RELATED = 0.22


@dataclass(frozen=True)
class Vocabulary:
    """Tags in the order technologies (t), rare tags (r), vague tags (v); k = t + r + v."""

    technologies: dict[str, dict[str, Any]]
    phrases: dict[str, Any]
    tags: tuple[str, ...]  # k names
    popularity: np.ndarray  # (t,) shares, Zipf-like
    related: np.ndarray  # (t, t) rows sum to 1: which technology a text also mentions
    implied: np.ndarray  # (t, k) rows sum to less than 1: tag given although the text does not show it
    rare: np.ndarray  # (t, k) rows sum to 1: which rare tag hangs on a technology
    rare_chance: np.ndarray  # (k,) chance of a rare tag when its phrase is in the text; 0 for other tags
    votes: np.ndarray  # (t,) pull on the score, log scale
    vague: np.ndarray  # (v,) chance of a vague tag when its cue is in the text

    @property
    def first_vague(self) -> int:
        return len(self.tags) - len(self.vague)

    def form(self, field: str) -> np.ndarray:
        """Return one number for each kind of question, in the order of the data file."""
        return np.array([form[field] for form in self.phrases["forms"].values()])


def _load(name: str) -> dict[str, Any]:
    return read_yaml(files(__package__) / name)


def _rows(entries: list[dict[str, float]], columns: dict[str, int]) -> np.ndarray:
    table = np.zeros((len(entries), len(columns)))
    for row, weights in enumerate(entries):
        for tag, weight in weights.items():
            table[row, columns[tag]] = weight
    return table


def _rare_chance(k: int) -> np.ndarray:
    """Return chances spread over 0.7 to 0.98, as some subjects nearly always get their tag and others do not."""
    return 0.7 + 0.28 * (np.arange(k) * 0.618 % 1)


@cache
def vocabulary() -> Vocabulary:
    """Read technologies.yaml and phrases.yaml, once a process."""
    technologies = _load("technologies.yaml")["technologies"]
    phrases = _load("phrases.yaml")
    entries = list(technologies.values())
    tags = (*technologies, *(tag for entry in entries for tag in entry["rare"]), *phrases["vague"])
    column = {tag: number for number, tag in enumerate(tags)}
    popularity = 1 / (2 + np.arange(len(entries)))
    popularity /= popularity.sum()
    share = dict(zip(technologies, popularity, strict=True))
    # Mentions follow the square root of popularity: a big technology is met more often, but not only that one.
    related = _rows([{tag: share[tag] ** 0.5 for tag in entry["related"]} for entry in entries], column)
    related /= related.sum(axis=1, keepdims=True)
    implied = _rows([entry.get("implies", {}) for entry in entries], column)
    implied += (1 - implied.sum(axis=1, keepdims=True)) * UNSEEN_RELATED * related
    rare = _rows([{tag: 1 / (1 + i) for i, tag in enumerate(entry["rare"])} for entry in entries], column)
    return Vocabulary(
        technologies,
        phrases,
        tags,
        popularity,
        related[:, : len(entries)],
        implied,
        rare / rare.sum(axis=1, keepdims=True),
        _rare_chance(len(tags)) * (rare > 0).any(axis=0),
        np.array([entry["votes"] for entry in entries]),
        np.array([entry["chance"] for entry in phrases["vague"].values()]),
    )
