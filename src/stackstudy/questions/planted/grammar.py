"""Sentence templates compiled to integer tables, so that a million sentences are written by array look-ups alone.

A template is a row of slots; a slot is a pool of text fragments, one of which is drawn. Plain text is a pool of one.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Self

import numpy as np
import pyarrow as pa

from stackstudy.questions.planted.vocabulary import Vocabulary, vocabulary

SLOT = re.compile(r"\[\[([^\[\]]+)\]\]")
SEPARATORS = ("", " ", "\n")
NOTHING, BLANK, PARAGRAPH = range(3)
ALIKE = (("task",), ("error",), ("id", "Id"), ("field",), ("file",), ("number",))  # the same throughout a question
THEMES = len(ALIKE) + 1  # the last column decides where a question begins in a list of sentences
STEP = 3  # and this is how far on its next sentence stands, so that it does not repeat itself soon


@dataclass(frozen=True)
class Ragged:
    """Rows of unequal length: `values[offsets[i]:offsets[i + 1]]` is row i."""

    values: np.ndarray
    offsets: np.ndarray

    def take(self, rows: np.ndarray) -> Self:
        """Return the rows named by `rows`, in that order."""
        lengths = np.diff(self.offsets)[rows]
        flat = spans(self.offsets[rows], lengths)
        return type(self)(self.values[flat], offsets(lengths))


def offsets(lengths: np.ndarray) -> np.ndarray:
    """Return (n + 1,) row starts of rows with these lengths."""
    return np.concatenate([[0], np.cumsum(lengths)])


def spans(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return start, start + 1, ... of every span, one after the other."""
    ends = np.cumsum(lengths)
    return np.repeat(starts - ends + lengths, lengths) + np.arange(ends[-1] if len(ends) else 0)


@dataclass(frozen=True)
class Sentences:
    """Sentences to write, one entry each, in reading order."""

    row: np.ndarray  # number of the question
    role: np.ndarray
    topic: np.ndarray  # number of the tag that the sentence is about
    separator: np.ndarray  # what stands before it
    turn: np.ndarray  # 0, 1, 2, ... among sentences that should differ from each other, else -1


@dataclass
class _Pools:
    """Slots under construction; a pool is (first fragment, size) for each topic."""

    topics: int
    fragments: list[str] = field(default_factory=lambda: list(SEPARATORS))
    slots: dict[str, int] = field(default_factory=dict)
    starts: list[np.ndarray] = field(default_factory=list)
    sizes: list[np.ndarray] = field(default_factory=list)
    wordings: list[slice] = field(default_factory=list)  # fragments that say the same

    def common(self, key: str, pool: Sequence[str]) -> int:
        """Return the slot of a pool that is the same for all topics."""
        if key not in self.slots:
            self._append(key, np.full(self.topics, len(self.fragments)), np.full(self.topics, len(pool)))
            self.fragments.extend(pool)
        return self.slots[key]

    def topical(self, key: str, pools: Sequence[Sequence[str]]) -> None:
        """Add a slot with one pool for each topic (an empty one where the topic has none)."""
        sizes = np.array([len(pool) for pool in pools])
        self._append(key, len(self.fragments) + offsets(sizes)[:-1], sizes)
        self.fragments.extend(text for pool in pools for text in pool)

    def _append(self, key: str, starts: np.ndarray, sizes: np.ndarray) -> None:
        self.slots[key] = len(self.starts)
        self.starts.append(starts)
        self.sizes.append(sizes)

    def _choice(self, options: str) -> int:
        pool, first = options.split("|"), len(self.fragments)
        slot = self.common("choice " + options, pool)
        if len(self.fragments) > first:
            self.wordings.append(slice(first, first + len(pool)))
        return slot

    def other_wording(self) -> np.ndarray:
        """Return for each fragment another one of the same sense, or itself."""
        other = np.arange(len(self.fragments))
        for group in self.wordings:
            other[group] = np.roll(other[group], -1)
        return other

    def compile(self, template: str) -> list[int]:
        """Return the slots of a template; the first one is the separator before it."""
        row = [self.slots["separator"]]
        for number, part in enumerate(SLOT.split(template)):
            if number % 2 == 0:
                row += [self.common("text " + part, [part])] if part else []
            elif "|" in part:
                row.append(self._choice(part))
            else:
                row.append(self.slots[part])
        return row


@dataclass(frozen=True)
class Grammar:
    """Templates by role and topic. Topics are tags, by their number in the vocabulary."""

    fragments: pa.LargeStringArray
    roles: dict[str, int]
    first: np.ndarray  # (roles, topics) first template
    count: np.ndarray  # (roles, topics) how many templates
    templates: Ragged  # template -> slots
    starts: np.ndarray  # (slots, topics) first fragment
    sizes: np.ndarray  # (slots, topics) pool size
    other: np.ndarray  # (fragments,) another fragment of the same sense, or itself
    together: np.ndarray  # (slots,) which column of `themes` decides; -1: each slot is drawn by itself

    def write(self, plan: Sentences, themes: np.ndarray, rng: np.random.Generator) -> Ragged:
        """Draw the fragments of every sentence; `themes` (questions, THEMES) in [0, 1) keeps a question coherent."""
        count = self.count[plan.role, plan.topic]
        draw = np.where(plan.turn < 0, rng.random(len(count)), themes[plan.row, -1])
        template = ((draw * count).astype(np.int64) + STEP * np.maximum(plan.turn, 0)) % count
        slots = self.templates.take(self.first[plan.role, plan.topic] + template)
        sentence = np.repeat(np.arange(len(count)), np.diff(slots.offsets))
        draw, column = rng.random(len(sentence)), self.together[slots.values]
        alike = np.flatnonzero(column >= 0)
        draw[alike] = themes[plan.row[sentence[alike]], column[alike]]
        cell = slots.values * self.starts.shape[1] + plan.topic[sentence]
        value = self.starts.ravel()[cell] + (draw * self.sizes.ravel()[cell]).astype(np.int32)
        value[slots.offsets[:-1]] = plan.separator
        return Ragged(value, slots.offsets)

    def text(self, rows: Ragged) -> pa.LargeStringArray:
        """Join the fragments of every row: the taken fragments lie one after the other, so only offsets change."""
        taken = self.fragments.take(pa.array(rows.values))
        _, ends, data = taken.buffers()
        starts = np.frombuffer(ends, np.int64)[taken.offset + rows.offsets]
        return pa.LargeStringArray.from_buffers(len(rows.offsets) - 1, pa.py_buffer(starts), data)


def _pairs(apis: Sequence[str]) -> list[str]:
    return [f"{one} and {other}" for one, other in zip(apis, [*apis[1:], apis[0]], strict=True)]


def _with_article(thing: str) -> str:
    return ("an " if re.match("[aeio]|up", thing, re.IGNORECASE) else "a ") + thing


def _pools(words: Vocabulary) -> _Pools:
    pools = _Pools(len(words.tags))
    pools.common("separator", [""])
    for key in ("id", "field", "file", "number"):
        pools.common(key, words.phrases["fillers"][key])
    pools.common("Id", [name.capitalize() for name in words.phrases["fillers"]["id"]])
    entries = list(words.technologies.values())
    rest = [[]] * (len(words.tags) - len(entries))
    pools.topical("name", [[entry["name"]] for entry in entries] + rest)
    for key in ("thing", "api", "task", "error"):
        pools.topical(key, [entry[key + "s"] for entry in entries] + rest)
    pools.topical("a thing", [[_with_article(thing) for thing in entry["things"]] for entry in entries] + rest)
    pools.topical("other task", [entry["tasks"] for entry in entries] + rest)
    pools.topical("pair", [_pairs(entry["apis"]) for entry in entries] + rest)
    rare = [phrases for entry in entries for phrases in entry["rare"].values()]
    vague = [entry["phrases"] for entry in words.phrases["vague"].values()]
    pools.topical("phrase", [[]] * len(entries) + rare + vague)
    return pools


def _templates(words: Vocabulary) -> dict[str, list[list[str]]]:
    """Return, for each role, the templates of every topic (one list that all topics share is given once)."""
    roles = {f"title {form}": [texts] for form, texts in words.phrases["titles"].items()}
    roles |= {role: [texts] for role, texts in words.phrases["sentences"].items()}
    code = [[f"```\n{code}\n```" for code in entry["code"]] for entry in words.technologies.values()]
    return roles | {"code": code + [[]] * (len(words.tags) - len(code))}


@cache
def grammar() -> Grammar:
    """Compile the data files, once a process."""
    words = vocabulary()
    pools, compiled, first, count = _pools(words), [], [], []
    roles = _templates(words)
    for topics in roles.values():
        lengths = np.array([len(texts) for texts in topics])
        first.append(np.broadcast_to(len(compiled) + offsets(lengths)[:-1], len(words.tags)))
        count.append(np.broadcast_to(lengths, len(words.tags)))
        compiled += [pools.compile(text) for texts in topics for text in texts]
    together = np.full(len(pools.starts), -1)
    for number, keys in enumerate(ALIKE):
        together[[pools.slots[key] for key in keys]] = number
    slots = np.array([slot for row in compiled for slot in row])
    return Grammar(
        pa.array(pools.fragments, pa.large_string()),
        {role: number for number, role in enumerate(roles)},
        np.array(first),
        np.array(count),
        Ragged(slots, offsets(np.array([len(row) for row in compiled]))),
        np.array(pools.starts, np.int32),
        np.array(pools.sizes, np.int32),
        pools.other_wording(),
        together,
    )
