"""What a planted question shows in its text, drawn before anything else, and the sentences that show it."""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from stackstudy.questions.planted.grammar import BLANK, NOTHING, PARAGRAPH, Grammar, Sentences, spans
from stackstudy.questions.planted.vocabulary import Vocabulary

# How often a text shows these at all.
SHOWN = {"second": 0.78, "third": 0.5, "rare": 0.65, "aside": 0.15, "cue": 0.4, "error": 0.15, "late": 0.15}
LATE_FILLERS = 7  # sentences without a subject before the decisive ones
# Place of each role in a body; sentences of one place keep the order of `plan_bodies`.
PLACES = {
    "filler": 16, "intro": 2, "cue": 4, "mention": 6, "rare": 8, "tried": 10, "lead": 12, "code": 13,
    "error_block": 14, "aside": 18, "ask": 24, "closing": 26,
}  # fmt: skip
NEW_PARAGRAPH = {"lead", "code", "error_block", "ask", "closing"}


@dataclass(frozen=True)
class Content:
    """One entry a question in each array; tags by number, -1 where there is none."""

    form: np.ndarray
    topic: np.ndarray
    second: np.ndarray
    third: np.ndarray
    rare: np.ndarray
    aside: np.ndarray  # a technology that is named but is not what the question is about
    cue: np.ndarray  # number of a vague tag whose words are in the text
    code: np.ndarray
    error: np.ndarray
    late: np.ndarray  # the decisive words stand behind a long preface
    details: np.ndarray  # how many further sentences about the topic
    fillers: np.ndarray  # how many sentences about nothing

    def take(self, rows: np.ndarray | slice) -> Self:
        """Return the entries of `rows`."""
        return type(self)(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def __len__(self) -> int:
        return len(self.form)


def pick(weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a column for every row of `weights` (n, k), whose rows sum to 1 or less; -1 for the rest."""
    below = rng.random(len(weights))[:, None] < np.cumsum(weights, axis=1)
    return np.where(below[:, -1], below.argmax(axis=1), -1)


def _sometimes(name: str, values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.where(rng.random(len(values)) < SHOWN[name], values, -1)


def draw_content(n: int, words: Vocabulary, rng: np.random.Generator) -> Content:
    """Draw what `n` questions show."""
    form = rng.choice(len(words.phrases["forms"]), n, p=words.form("share"))
    topic = np.minimum(np.searchsorted(np.cumsum(words.popularity), rng.random(n)), len(words.popularity) - 1)
    second = _sometimes("second", pick(words.related[topic], rng), rng)
    third = _sometimes("third", pick(words.related[topic], rng), rng)
    third = np.where((second < 0) | (third == second), -1, third)
    aside = _sometimes("aside", topic[rng.permutation(n)], rng)
    aside = np.where((aside == topic) | (aside == second) | (aside == third), -1, aside)
    late = rng.random(n) < SHOWN["late"]
    fillers = np.exp(rng.normal(0.0, 0.9, n)).astype(np.int64)
    error_form = list(words.phrases["forms"]).index("error")
    return Content(
        form=form,
        topic=topic,
        second=second,
        third=third,
        rare=_sometimes("rare", pick(words.rare[topic], rng), rng),
        aside=aside,
        cue=_sometimes("cue", rng.integers(len(words.vague), size=n), rng),
        code=rng.random(n) < words.form("code")[form],
        error=(form == error_form) | (rng.random(n) < SHOWN["error"]),
        late=late,
        details=np.minimum(np.exp(rng.normal(-0.4, 1.7, n)), 200).astype(np.int64),
        fillers=np.where(late, fillers + LATE_FILLERS, fillers),
    )


def plan_titles(content: Content, grammar: Grammar, words: Vocabulary) -> Sentences:
    """Return one title a question."""
    roles = np.array([grammar.roles[f"title {form}"] for form in words.phrases["forms"]])
    role = np.where(content.late, grammar.roles["title late"], roles[content.form])
    rows = np.arange(len(content))
    return Sentences(rows, role, content.topic, np.full(len(rows), NOTHING), np.full(len(rows), -1))


def plan_bodies(content: Content, grammar: Grammar, words: Vocabulary, rng: np.random.Generator) -> Sentences:
    """Return the sentences of every body."""
    everywhere = np.ones(len(content), np.int64)
    cue = np.where(content.cue >= 0, content.cue + words.first_vague, -1)
    parts: list[tuple[str, np.ndarray, np.ndarray]] = [  # role, how many a question, about which tag
        ("intro", everywhere, content.topic),
        ("tried", everywhere, content.topic),
        ("ask", everywhere, content.topic),
        ("closing", rng.random(len(content)) < 0.5, content.topic),
        ("lead", content.code, content.topic),
        ("code", content.code, content.topic),
        ("error_block", content.error, content.topic),
        ("mention", content.second >= 0, content.second),
        ("mention", content.third >= 0, content.third),
        ("aside", content.aside >= 0, content.aside),
        ("rare", content.rare >= 0, content.rare),
        ("cue", cue >= 0, cue),
        ("detail", content.details, content.topic),
        ("filler", content.fillers, content.topic),
    ]
    pieces = [_sentences(*part, content, grammar, words, rng) for part in parts]
    row, role, topic, place, turn, breaks = (np.concatenate(column) for column in zip(*pieces, strict=True))
    order = np.argsort(row * 32 + place, kind="stable")
    row, role, topic, turn, breaks = (column[order] for column in (row, role, topic, turn, breaks))
    # Code ends a paragraph; long stretches of prose are cut at random.
    breaks[1:] |= role[:-1] == grammar.roles["code"]
    separator = np.where(breaks | (rng.random(len(row)) < 0.12), PARAGRAPH, BLANK)
    separator[np.flatnonzero(np.diff(row, prepend=-1))] = NOTHING
    return Sentences(row, role, topic, separator, turn)


def _sentences(
    name: str,
    times: np.ndarray,
    tag: np.ndarray,
    content: Content,
    grammar: Grammar,
    words: Vocabulary,
    rng: np.random.Generator,
) -> tuple[np.ndarray, ...]:
    """Return (row, role, topic, place, turn, new paragraph) of the sentences of one part of a body."""
    rows = np.repeat(np.arange(len(content)), times)
    role = np.full(len(rows), grammar.roles.get(name, -1))
    place = np.full(len(rows), PLACES.get(name, -1))
    turn = np.full(len(rows), -1)
    if name == "ask":
        role = np.array([grammar.roles[form] for form in words.phrases["forms"]])[content.form[rows]]
    elif name == "detail":
        place = rng.choice([3, 9, 15, 20], len(rows))  # here and there
    elif name == "filler":
        place = np.where(content.late[rows], 0, place)  # a preface
    if name in ("detail", "filler"):
        turn = spans(np.zeros_like(times), times)
    return rows, role, tag[rows], place, turn, np.full(len(rows), name in NEW_PARAGRAPH)
