"""Near-duplicate questions: MinHash signatures find candidates, their word shingles decide.

MinHash: Broder 1997. Banding: Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, chapter 3.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import chain

import numpy as np
from rensa import RMinHash

SHINGLE = 3  # words
PERMUTATIONS = 64
RECALL = 0.99  # share of pairs at the threshold itself that must become candidates; above it nearly all do
COMPARED_AT_ONCE = 8_000
_ROUNDS = 4
_TEXTS_AT_ONCE = 256  # signatures pass through Python integers; few at a time stay in the cache
_SHINGLED_AT_ONCE = 64
_LAST_SPACE = 32  # white space and control characters of ASCII come first
_SEED = 1
_ODD = np.random.default_rng(_SEED).integers(2**63, size=PERMUTATIONS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
_PADDING = " \x7f" * (SHINGLE - 1) + "\n"  # lets a text of one word have a shingle too


def normalised(titles: Sequence[str], bodies: Sequence[str]) -> list[str]:
    """Return the text that duplicates share: title and body in lower case."""
    return [f"{title}\n{body}".lower() for title, body in zip(titles, bodies, strict=True)]


def exact_keys(texts: Iterable[str]) -> np.ndarray:
    """Return a 64-bit hash of each text, (n,) int64."""
    digests = (hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts)
    return np.frombuffer(b"".join(digests), np.int64)


def shingle_hashes(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return hashes of all runs of three words, (total,) uint64, and where each text's begin, (n + 1,) uint64."""
    parts = [_shingles(texts[at : at + _SHINGLED_AT_ONCE]) for at in range(0, len(texts), _SHINGLED_AT_ONCE)]
    hashes, counts = zip(*parts, strict=True) if parts else ([np.empty(0, np.uint64)], [np.empty(0, np.int64)])
    return np.concatenate(hashes), np.r_[0, np.cumsum(np.concatenate(counts))].astype(np.uint64)


def _shingles(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the hashes of all texts one after the other, (total,) uint64, and how many each has, (n,) int64."""
    padded = [f"{text}{_PADDING}".encode() for text in texts]
    word, begins = _word_hashes(np.frombuffer(b"".join(padded), np.uint8))
    runs = word[:-2] * _ODD[0] + word[1:-1] * _ODD[1] + word[2:] * _ODD[2]
    runs ^= runs >> np.uint64(32)
    ends = np.searchsorted(begins, np.cumsum([len(text) for text in padded]))
    inside = np.ones(len(word), bool)
    inside[ends - 1] = inside[ends - 2] = False  # runs that would reach into the next text
    return runs[inside[:-2]], np.diff(ends, prepend=0) - (SHINGLE - 1)


def _word_hashes(text: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a hash of each word of `text`, UTF-8 bytes, and where it begins, (words,) uint64 and int64.

    Polynomials of the bytes, all words at once from one running sum (Karp and Rabin 1987); modulo 2^32.
    """
    powers, inverses = _powers(1 << len(text).bit_length())
    sums = np.zeros(len(text) + 1, np.uint32)
    np.cumsum(text * powers[: len(text)], out=sums[1:])
    black = np.zeros(len(text) + 2, bool)
    np.greater(text, _LAST_SPACE, out=black[1:-1])
    edges = np.flatnonzero(black[1:] != black[:-1])
    begins, ends = edges[::2], edges[1::2]
    return ((sums[ends] - sums[begins]) * inverses[begins]).astype(np.uint64), begins


@cache
def _powers(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the powers of an odd number and of its inverse modulo 2^32, both (count,) uint32."""
    odd = int(_ODD[0]) % 2**32
    bases = [np.full(count, base, np.uint32) for base in (odd, pow(odd, -1, 2**32))]
    return tuple(np.cumprod(base, dtype=np.uint32) for base in bases)


def band_shape(similarity: float) -> tuple[int, int]:
    """Return bands and rows per band: as selective as `RECALL` at this similarity allows."""
    if not 0 < similarity <= 1:
        raise ValueError(f"near_duplicate_similarity is {similarity}, but must be above 0 and at most 1")
    for rows in range(16, 1, -1):
        if 1 - (1 - similarity**rows) ** (PERMUTATIONS // rows) >= RECALL:
            return PERMUTATIONS // rows, rows
    return PERMUTATIONS, 1


def signatures(hashes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return the MinHash signature of each text, (n, 64) uint32, from its `shingle_hashes`."""
    found = np.empty((len(offsets) - 1, PERMUTATIONS), np.uint32)
    for at in range(0, len(found), _TEXTS_AT_ONCE):
        begins = offsets[at : at + _TEXTS_AT_ONCE + 1]
        part = hashes[int(begins[0]) : int(begins[-1])]
        digests = RMinHash.digest_matrix_from_flat_token_hashes(part, begins - begins[0], PERMUTATIONS, _SEED)
        numbers = chain.from_iterable(digests.to_rows())
        found[at : at + _TEXTS_AT_ONCE].flat = np.fromiter(numbers, np.uint32, (len(begins) - 1) * PERMUTATIONS)
    return found


def band_keys(signatures: np.ndarray, similarity: float) -> np.ndarray:
    """Return one key per band, (n, bands) uint64: texts that share a key in any band may be near-duplicates."""
    bands, rows = band_shape(similarity)
    slots = signatures[:, : bands * rows].reshape(-1, bands, rows)
    return (slots * _ODD[:rows]).sum(axis=2, dtype=np.uint64)


def plausible(left: np.ndarray, right: np.ndarray, similarity: float) -> np.ndarray:
    """Return which pairs of signatures, both (m, 64) uint8 (low bytes), may be this similar, (m,) bool.

    Cheap, so that texts are only read for pairs within four standard errors of the threshold or above it
    (a byte is enough: Li and Koenig 2010).
    """
    error = np.sqrt(similarity * (1 - similarity) / PERMUTATIONS)
    return (left == right).mean(axis=1) >= similarity - 4 * error


class Clusters:
    """Sets of rows that are joined pair by pair; the root of a set is its smallest row."""

    def __init__(self, exact: np.ndarray) -> None:
        """Begin with the rows of equal `exact` keys, (n,) int64, together."""
        _, first, inverse = np.unique(exact, return_index=True, return_inverse=True)
        self.originals = np.sort(first)
        self.parent = first[inverse]

    def roots(self, rows: np.ndarray) -> np.ndarray:
        """Return the root of each row, both (m,) int64."""
        found = self.parent[rows]
        while not np.array_equal(above := self.parent[found], found):
            found = above
        return found

    def join(self, left: int, right: int) -> None:
        low, high = sorted(self.roots(np.array([left, right])).tolist())
        self.parent[high] = low


def join_band(clusters: Clusters, keys: np.ndarray, similar: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> None:
    """Join rows with equal `keys`, (n,) uint64, that `similar` confirms: two arrays (m,) of rows -> (m,) bool.

    The first row of each bucket is compared with the others; those that are not in its set then begin again without
    it. So a bucket of m copies costs m comparisons, not m squared. What few rounds leave is compared pair by pair.
    """
    rows = _with_company(clusters.originals, keys)
    for _ in range(_ROUNDS):
        begins = np.r_[True, keys[rows][1:] != keys[rows][:-1]][: len(rows)]
        pivots = rows[begins][np.cumsum(begins) - 1]
        rows, pivots = rows[~begins], pivots[~begins]
        apart = _join(clusters, pivots, rows, similar)
        rows = rows[apart]
    for left, right in _pairs(rows, keys[rows]):
        _join(clusters, left, right, similar)


def _join(
    clusters: Clusters, left: np.ndarray, right: np.ndarray, similar: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> np.ndarray:
    """Join the pairs of rows that are similar; return which pairs, (m,) bool, are in different sets afterwards."""
    places = np.flatnonzero(clusters.roots(left) != clusters.roots(right))
    for at in range(0, len(places), COMPARED_AT_ONCE):
        part = places[at : at + COMPARED_AT_ONCE]
        close = part[similar(left[part], right[part])]
        for pair in zip(left[close].tolist(), right[close].tolist(), strict=True):
            clusters.join(*pair)
    return clusters.roots(left) != clusters.roots(right)


def _pairs(rows: np.ndarray, keys: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield all pairs of rows with equal keys, both (m,) and sorted by key, some thousands at a time."""
    some, number = [], 0
    for step in range(1, len(rows)):
        places = np.flatnonzero(keys[step:] == keys[:-step])
        if not places.size:
            break
        some.append((rows[places], rows[places + step]))
        number += places.size
        if number >= COMPARED_AT_ONCE:
            yield tuple(np.concatenate(side) for side in zip(*some, strict=True))
            some, number = [], 0
    if some:
        yield tuple(np.concatenate(side) for side in zip(*some, strict=True))


def similarities(left: Sequence[np.ndarray], right: Sequence[np.ndarray]) -> np.ndarray:
    """Return the Jaccard similarity of each pair of shingle sets, (m,), each set as hashes (k,) uint32.

    With 32 bits, one pair in 100,000 of texts of 300 words has two shingles that are taken for one.
    """
    union = _distinct([np.concatenate(pair) for pair in zip(left, right, strict=True)])
    return (_distinct(left) + _distinct(right)) / union - 1


def _distinct(sets: Sequence[np.ndarray]) -> np.ndarray:
    """Return how many different values each array, (k,) uint32, has, (m,)."""
    owner = np.repeat(np.arange(len(sets), dtype=np.uint64), [len(values) for values in sets])
    values = np.sort(owner << np.uint64(32) | np.concatenate(sets))
    values = values[np.r_[True, values[1:] != values[:-1]]]  # as np.unique does, which is slower
    return np.bincount((values >> np.uint64(32)).astype(np.int64), minlength=len(sets))


def _with_company(rows: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Return the rows whose key another row has too, by key, those of one key in their order."""
    order = np.argsort(keys[rows])
    ordered = keys[rows[order]]
    shared = np.zeros(len(rows), bool)
    shared[1:] = ordered[1:] == ordered[:-1]
    shared[:-1] |= shared[1:]
    found = np.sort(rows[order[shared]])
    return found[np.argsort(keys[found], kind="stable")]
