import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stackstudy.questions import duplicates

WORDS = st.lists(
    st.sampled_from(["red", "green", "blue", "one", "two", "three", "run", "walk"]), min_size=1, max_size=30
)


def shingles(text):
    words = text.split()
    padded = [*words, "\x00", "\x00"]
    return {tuple(padded[at : at + 3]) for at in range(len(words))}


def hashes(texts):
    """The hashed shingles of each text, as they are spooled."""
    values, offsets = duplicates.shingle_hashes(texts)
    return np.split(values.astype(np.uint32), offsets[1:-1].astype(int))


@given(st.lists(WORDS.map(" ".join), min_size=2, max_size=6))
@settings(max_examples=50)
def test_similarity_is_the_jaccard_similarity_of_word_shingles(texts):
    hashed = hashes(texts)
    found = duplicates.similarities([hashed[0]] * len(texts), hashed)
    sets = [shingles(text) for text in texts]
    np.testing.assert_allclose(found, [len(sets[0] & other) / len(sets[0] | other) for other in sets])


def test_shingles_of_a_text_do_not_depend_on_its_neighbours():
    texts = ["a b c d", "e", "f g h"]
    together, offsets = duplicates.shingle_hashes(texts)
    assert offsets.tolist() == [0, 4, 5, 8]
    alone = [duplicates.shingle_hashes([text])[0] for text in texts]
    np.testing.assert_array_equal(together, np.concatenate(alone))


def near_copies(count, changes, seed=0):
    """Texts of 200 words, each followed by a copy with `changes` words replaced."""
    rng = np.random.default_rng(seed)
    texts = []
    for _ in range(count):
        words = rng.integers(10_000, size=200).astype(str)
        copy = words.copy()
        copy[rng.choice(200, changes, replace=False)] = "changed"
        texts += [" ".join(words), " ".join(copy)]
    return texts


def groups(texts, similarity):
    signatures, hashed = duplicates.signatures(*duplicates.shingle_hashes(texts)), hashes(texts)
    clusters = duplicates.Clusters(duplicates.exact_keys(texts))

    def similar(left, right):
        return duplicates.similarities([hashed[at] for at in left], [hashed[at] for at in right]) >= similarity

    for keys in duplicates.band_keys(signatures, similarity).T:
        duplicates.join_band(clusters, keys, similar)
    return clusters.roots(np.arange(len(texts))).tolist()


def test_near_copies_join_and_others_stay_apart():
    texts = near_copies(100, changes=4)  # similarity about 0.88
    pairs = groups(texts, 0.8)
    assert sum(pairs[at] == pairs[at + 1] for at in range(0, 200, 2)) >= 98
    assert len(set(pairs[::2])) == 100
    assert groups(near_copies(100, changes=20), 0.8) == list(range(200))  # similarity about 0.55


def test_many_copies_of_one_text_are_one_group():
    text = near_copies(1, 1)[0]
    assert groups([f"{text} {number}" for number in range(300)], 0.8) == [0] * 300


def test_bands_find_nearly_all_pairs_at_the_threshold():
    for similarity in (0.3, 0.5, 0.8, 0.95, 1.0):
        bands, rows = duplicates.band_shape(similarity)
        assert bands * rows <= duplicates.PERMUTATIONS
        assert 1 - (1 - similarity**rows) ** bands >= duplicates.RECALL


def test_plausible_keeps_what_is_similar_and_drops_what_is_not():
    close, far = (duplicates.signatures(*duplicates.shingle_hashes(near_copies(50, many))) for many in (4, 60))
    low = [signature.astype(np.uint8) for signature in (close[::2], close[1::2], far[::2], far[1::2])]
    assert duplicates.plausible(low[0], low[1], 0.8).all()
    assert not duplicates.plausible(low[2], low[3], 0.8).any()
