"""Scores of planted questions: a part that the text shows, a hidden part, and the share of each.

score = floor(SCALE * exp(shown + hidden)), or a negative number with a chance that hangs on the kind of question.
`hidden` is a mixture of two normals; the wide one makes the tail.
"""

from functools import cache

import numpy as np

from stackstudy.questions.planted.content import Content
from stackstudy.questions.planted.vocabulary import Vocabulary

SCALE, TOP = 0.85, 30_000
MIXTURE = ((0.97, 0.0, 1.2), (0.03, 3.0, 1.3))  # share, mean, standard deviation
CODE, LENGTH = 0.25, -0.18
LOWER = 0.45  # each further down-vote has this chance
NEGATIVE = -np.arange(1, 21)  # possible negative scores


def signed_log(scores: np.ndarray) -> np.ndarray:
    """Return sign(s) * log(1 + |s|)."""
    return np.sign(scores) * np.log1p(np.abs(scores))


def shown(content: Content, words: Vocabulary) -> np.ndarray:
    """Return the part of the log score that the text shows, shape (n,)."""
    subject = words.votes[content.topic] + words.form("votes")[content.form]
    return subject + CODE * content.code + LENGTH * (np.log1p(np.minimum(content.details, 40)) - 1)


def _raise(log_score: np.ndarray) -> np.ndarray:
    return np.minimum(np.floor(SCALE * np.exp(log_score)), TOP)


def draw_scores(content: Content, words: Vocabulary, rng: np.random.Generator) -> np.ndarray:
    """Return integer scores, shape (n,)."""
    n = len(content)
    _, mean, deviation = np.array(MIXTURE)[(rng.random(n) >= MIXTURE[0][0]).astype(int)].T
    scores = _raise(shown(content, words) + mean + deviation * rng.standard_normal(n))
    lower = np.minimum(rng.geometric(1 - LOWER, n), len(NEGATIVE))
    downvoted = rng.random(n) < words.form("downvoted")[content.form]
    return np.where(downvoted, -lower, scores).astype(np.int32)


@cache
def _moments() -> tuple[np.ndarray, np.ndarray]:
    """Return a grid of shown parts (g,) and there, shape (4, g): mean and mean square of score, of signed log."""
    grid, hidden = np.linspace(-5, 6, 221), np.linspace(-8, 16, 6001)
    weight = sum(
        share / deviation * np.exp(-(((hidden - mean) / deviation) ** 2) / 2) for share, mean, deviation in MIXTURE
    )
    weight /= weight.sum()
    scores = _raise(grid[:, None] + hidden)
    logs = signed_log(scores)
    return grid, np.stack([scores @ weight, scores**2 @ weight, logs @ weight, logs**2 @ weight])


def conditional_moments(content: Content, words: Vocabulary) -> np.ndarray:
    """Return (4, n): E[s | text], Var[s | text] and the same of the signed log, by integration over the hidden part."""
    grid, table = _moments()
    at = shown(content, words)
    raised = np.stack([np.interp(at, grid, row) for row in table])
    chance = LOWER ** (np.abs(NEGATIVE) - 1) * (1 - LOWER)
    chance[-1] = LOWER ** (len(NEGATIVE) - 1)
    logs = signed_log(NEGATIVE)
    lowered = np.array([NEGATIVE @ chance, NEGATIVE**2 @ chance, logs @ chance, logs**2 @ chance])
    down = words.form("downvoted")[content.form]
    mean, square, log_mean, log_square = (1 - down) * raised + down * lowered[:, None]
    return np.stack([mean, square - mean**2, log_mean, log_square - log_mean**2])


def explained(mean: np.ndarray, variance: np.ndarray) -> float:
    """Return 1 - E[Var(s | text)] / Var(s), with Var(s) = E[Var(s | text)] + Var(E[s | text])."""
    return float(mean.var() / (mean.var() + variance.mean()))
