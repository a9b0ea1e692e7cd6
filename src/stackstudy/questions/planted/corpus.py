"""Planted questions as a question table, with the ceiling that no system can pass.

Questions are made in blocks, each from (seed, number of the block) alone: the first n rows are the same whatever
the size of the corpus, and memory stays flat.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl
import pyarrow as pa
from scipy import sparse

from stackstudy.evaluation.tags import expected_f1
from stackstudy.questions.planted.content import Content, draw_content, plan_bodies, plan_titles
from stackstudy.questions.planted.grammar import THEMES, Ragged, Sentences, grammar, offsets
from stackstudy.questions.planted.scores import conditional_moments, draw_scores, explained, signed_log
from stackstudy.questions.planted.tags import draw_tags, posterior
from stackstudy.questions.planted.vocabulary import vocabulary

BLOCK = 5_000
EXACT, NEAR = 0.003, 0.03  # shares of rows that repeat an earlier question, as it is or lightly reworded
FIRST_ANSWER_ID = 1_000_000_000  # answers have ids of their own: this + 10 * question + place
SECOND = 1_000_000  # microseconds
START = 1_230_768_000 * SECOND  # 2009-01-01
SPAN = 17 * 365.25 * 86_400 * SECOND  # up to the end of 2025


@dataclass(frozen=True)
class Truth:
    """What the generator knows of each question: P(tag | text), and mean and variance of its score given the text."""

    tags: tuple[str, ...]
    posterior: sparse.csr_array  # (n, k)
    score_mean: np.ndarray
    score_variance: np.ndarray
    log_mean: np.ndarray  # of the signed log, sign(s) * log(1 + |s|)
    log_variance: np.ndarray

    def take(self, rows: np.ndarray) -> Self:
        """Return the truth of some rows, such as those of a split."""
        per_row = (self.posterior, self.score_mean, self.score_variance, self.log_mean, self.log_variance)
        return type(self)(self.tags, *(values[rows] for values in per_row))


@dataclass(frozen=True)
class Ceiling:
    """Best values that can be expected of any system that reads the text and has not seen a copy of the question.

    F1 counts are expectations under the true posterior, each tag with its own best threshold (micro: one threshold);
    macro is the mean over tags that can occur in these rows, weighted uses their expected frequency.
    R2 is 1 - E[Var(score | text)] / Var(score); on the raw scale a sample can stray far from it, since few rows decide.
    """

    f1_micro: float
    f1_macro: float
    f1_weighted: float
    f1_per_tag: dict[str, float]
    r2: float
    r2_signed_log: float


def plant(rows: int, seed: int = 0) -> pl.DataFrame:
    """Return `rows` planted questions in question-table columns, without `group` and `split`.

    The same (rows, seed) gives the same table, and the first rows of a larger table are those of a smaller one.
    """
    return pl.concat(plant_batches(rows, seed), rechunk=True)


def plant_batches(rows: int, seed: int = 0, batch: int = 50_000) -> Iterator[pl.DataFrame]:
    """Yield the table of `plant` in pieces of `batch` rows, with flat memory."""
    _check(rows=rows, seed=seed, batch=batch)
    return _regroup((table for table, _ in _blocks(rows, seed)), batch)


def plant_with_truth(rows: int, seed: int = 0) -> tuple[pl.DataFrame, Truth]:
    """Return the table of `plant` and what the generator knows about its rows."""
    _check(rows=rows, seed=seed)
    words, tables, probabilities, moments = vocabulary(), [], [], []
    for table, content in _blocks(rows, seed):
        tables.append(table)
        probabilities.append(posterior(content, words))
        moments.append(conditional_moments(content, words))
    truth = Truth(words.tags, sparse.vstack(probabilities, format="csr"), *np.concatenate(moments, axis=1))
    return pl.concat(tables, rechunk=True), truth


def ceiling(rows: int, seed: int = 0) -> Ceiling:
    """Return what can at best be expected on the corpus `plant(rows, seed)`; see `Ceiling`."""
    return ceiling_of(plant_with_truth(rows, seed)[1])


def ceiling_of(truth: Truth) -> Ceiling:
    """Return the ceiling of any rows of a corpus, given their truth."""
    columns = truth.posterior.tocsc()
    cells = np.split(columns.data, columns.indptr[1:-1])
    per_tag = {tag: expected_f1(cell) for tag, cell in zip(truth.tags, cells, strict=True) if cell.any()}
    frequency = [cell.sum() for cell in cells if cell.any()]
    best = np.array(list(per_tag.values()))
    return Ceiling(
        f1_micro=expected_f1(columns.data),
        f1_macro=float(best.mean()),
        f1_weighted=float(np.average(best, weights=frequency)),
        f1_per_tag=per_tag,
        r2=explained(truth.score_mean, truth.score_variance),
        r2_signed_log=explained(truth.log_mean, truth.log_variance),
    )


def _check(rows: int, seed: int, batch: int = 1) -> None:
    for name, value, least in (("rows", rows, 1), ("seed", seed, 0), ("batch", batch, 1)):
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name} must be a whole number of {least} or more, not {value!r}")


def _regroup(tables: Iterator[pl.DataFrame], batch: int) -> Iterator[pl.DataFrame]:
    held = next(tables)
    for table in tables:
        while held.height >= batch:
            yield held[:batch].rechunk()
            held = held[batch:]
        held = pl.concat([held, table])
    for start in range(0, held.height, batch):
        yield held[start : start + batch].rechunk()


def _blocks(rows: int, seed: int) -> Iterator[tuple[pl.DataFrame, Content]]:
    """Yield (table, content) of each block; a block is always made as a whole and then cut."""
    for number in range(-(-rows // BLOCK)):
        table, content = _block(number, seed)
        wanted = slice(0, rows - number * BLOCK)
        yield table[wanted], content.take(wanted)


def _block(number: int, seed: int) -> tuple[pl.DataFrame, Content]:
    rng, words, rules = np.random.default_rng([seed, number]), vocabulary(), grammar()
    content = draw_content(BLOCK, words, rng)
    themes = rng.random((BLOCK, THEMES))
    titles = rules.write(plan_titles(content, rules, words), themes, rng)
    bodies = _by_question(plan_bodies(content, rules, words, rng), themes, rng)
    tags = draw_tags(content, words, rng)
    origin, reworded = _repeats(rng)
    content, tags = content.take(origin), tags[origin]
    titles, bodies = titles.take(origin), bodies.take(origin)
    _reword(titles, reworded, np.full(len(reworded), 1), rng)
    _reword(bodies, reworded, 1 + np.diff(bodies.offsets)[reworded] // 120, rng)
    scores = draw_scores(content, words, rng)
    ids = number * BLOCK + np.arange(1, BLOCK + 1)
    table = pl.DataFrame(
        {
            "question_id": ids,
            "site": pl.repeat("planted", BLOCK, eager=True),
            "title": pl.from_arrow(rules.text(titles)),
            "body": pl.from_arrow(rules.text(bodies)),
            "tags": _tag_lists(tags, words.tags),
            "score": scores,
            **_answers(ids, scores, origin, rng),
            "stratum": pl.repeat(None, BLOCK, dtype=pl.String, eager=True),
        }
    )
    return table, content


def _by_question(plan: Sentences, themes: np.ndarray, rng: np.random.Generator) -> Ragged:
    """Write sentences and return their fragments, one row a question."""
    written = grammar().write(plan, themes, rng)
    starts = np.searchsorted(plan.row, np.arange(len(themes) + 1))
    return Ragged(written.values, written.offsets[starts])


def _repeats(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return for each row the row it shows (itself, or an earlier original), and which rows are reworded."""
    draw, rows = rng.random(BLOCK), np.arange(BLOCK)
    repeat = draw < EXACT + NEAR
    repeat[0] = False
    originals = np.flatnonzero(~repeat)
    earlier = np.searchsorted(originals, rows[repeat])
    origin = rows.copy()
    origin[repeat] = originals[(rng.random(len(earlier)) * earlier).astype(np.int64)]
    return origin, np.flatnonzero(repeat & (draw >= EXACT))


def _reword(texts: Ragged, rows: np.ndarray, times: np.ndarray, rng: np.random.Generator) -> None:
    """Swap, in place, up to `times` wordings of each of `rows` for others of the same sense."""
    other = grammar().other
    swappable = np.flatnonzero(other[texts.values] != texts.values)
    first, last = (np.searchsorted(swappable, texts.offsets[rows + end]) for end in (0, 1))
    row = np.repeat(np.arange(len(rows)), np.where(last > first, times, 0))
    at = np.unique(swappable[first[row] + (rng.random(len(row)) * (last - first)[row]).astype(np.int64)])
    texts.values[at] = other[texts.values[at]]


def _tag_lists(tags: np.ndarray, names: tuple[str, ...]) -> pl.Series:
    given = tags >= 0
    values = pa.array(names, pa.large_string()).take(pa.array(tags[given]))
    return pl.from_arrow(pa.LargeListArray.from_arrays(offsets(given.sum(axis=1)), values))


def _answers(ids: np.ndarray, scores: np.ndarray, origin: np.ndarray, rng: np.random.Generator) -> dict[str, pl.Series]:
    """Return `created` and the answer facts; a repeat is asked after its original."""
    n, liked = len(ids), np.maximum(signed_log(scores), 0)
    moment = rng.triangular(0, 0.35, 1, n)
    repeat = origin != np.arange(n)
    later = moment[origin] + (1 - moment[origin]) * rng.random(n)
    seconds = (np.where(repeat, later, moment) * SPAN / SECOND).astype(np.int64)
    created = START + seconds * SECOND
    answers = np.minimum(np.exp(rng.normal(0.35, 0.75, n) + 0.15 * liked), 9).astype(np.int32)
    accepted = (answers > 0) & (rng.random(n) < 0.52)
    # Quick answers within the hour, slow ones within days.
    hours = np.exp(np.where(rng.random(n) < 0.6, rng.normal(-0.7, 1.2, n), rng.normal(3.4, 1.4, n)))
    reply = created + (60 + np.minimum(hours, 20_000) * 3600).astype(np.int64) * SECOND
    views = np.exp(rng.normal(5.6, 1.0, n) + 0.75 * liked)
    return {
        "created": pl.Series(created).cast(pl.Datetime("us")),
        "answer_count": pl.Series(answers),
        "accepted_answer_id": _where(accepted, FIRST_ANSWER_ID + 10 * ids),
        "accepted_answer_created": _where(accepted, reply).cast(pl.Datetime("us")),
        "view_count": pl.Series(np.minimum(views, 2e9).astype(np.int32)),
    }


def _where(known: np.ndarray, values: np.ndarray) -> pl.Series:
    return pl.from_arrow(pa.array(values, mask=~known))
