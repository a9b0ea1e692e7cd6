"""Tags of a planted question given what its text shows, and the best F1 that anyone can reach from the text.

A question's tags are drawn from what it shows (`Content`) by independent draws, and the words of the text are drawn
from it too, independent of the tags. So the text holds nothing about the tags beyond the content, and the probability
of each tag given the content is the Bayes posterior.
"""

import numpy as np
from scipy import sparse

from stackstudy.questions.planted.content import Content, pick
from stackstudy.questions.planted.vocabulary import Vocabulary

TOPIC, MENTIONED = 0.97, 0.87  # chance that the asker tags the topic, and a technology that is mentioned


def _vague(content: Content, words: Vocabulary) -> np.ndarray:
    """Return the chance of the vague tag of each cue; none beside a third technology, so that five tags suffice."""
    return np.where((content.cue >= 0) & (content.third < 0), words.vague[content.cue], 0)


def _shown(content: Content, words: Vocabulary) -> tuple[np.ndarray, np.ndarray]:
    """Return the tags besides the topic that the text shows and the chance of each, both (n, 3)."""
    mentioned = np.full(len(content), MENTIONED)
    chances = (mentioned, mentioned, words.rare_chance[content.rare])
    return np.column_stack([content.second, content.third, content.rare]), np.column_stack(chances)


def draw_tags(content: Content, words: Vocabulary, rng: np.random.Generator) -> np.ndarray:
    """Return tag numbers (n, 6), -1 where a place stays empty; one to five a row, no repeats."""
    n = len(content)
    shown, chance = _shown(content, words)
    shown = np.where(rng.random((n, 3)) < chance, shown, -1)
    implied = pick(words.implied[content.topic], rng)
    implied = np.where((implied == shown[:, 0]) | (implied == shown[:, 1]), -1, implied)
    vague = np.where(rng.random(n) < _vague(content, words), content.cue + words.first_vague, -1)
    rest = np.column_stack([shown, implied, vague])
    keep = (rng.random(n) < TOPIC) | (rest < 0).all(axis=1)
    return np.column_stack([np.where(keep, content.topic, -1), rest])


def posterior(content: Content, words: Vocabulary) -> sparse.csr_array:
    """Return P(tag | text), shape (n, k), exact.

    A mentioned technology can also come as an implied one, hence 1 - (1 - p)(1 - q); the topic is also
    kept when nothing else was drawn.
    """
    n = len(content)
    rows, known = np.arange(n), words.implied[content.topic]
    nothing = (1 - known.sum(axis=1)) * (1 - _vague(content, words))
    for tag, chance in zip(*(columns.T for columns in _shown(content, words)), strict=True):
        at = rows[tag >= 0]
        known[at, tag[at]] = 1 - (1 - known[at, tag[at]]) * (1 - chance[at])
        nothing[at] *= 1 - chance[at]
    at = rows[content.cue >= 0]
    known[at, content.cue[at] + words.first_vague] = _vague(content, words)[at]
    known[rows, content.topic] = TOPIC + (1 - TOPIC) * nothing
    return sparse.csr_array(known)
