import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackstudy.tagspace.space import TagSpace, build_tagspace

GROUPS = {"fruit": ["apple", "banana", "cherry"], "tool": ["hammer", "saw"], "metal": ["iron", "tin", "zinc"]}
NAMES = [*sorted(tag for tags in GROUPS.values() for tag in tags), "quince"]
SIZES = {"centroids": 3, "minimum_count": 2, "orphan_cosine": -1.0, "branching": 100, "restarts": 5, "seed": 0}


def vector(tag: str) -> np.ndarray:
    """A vector near the axis of the tag's group; the first tag of a group lies nearest to it."""
    for axis, tags in enumerate(GROUPS.values()):
        if tag in tags:
            place = tags.index(tag)
            return np.eye(3, 6)[axis] + 0.1 * place * np.eye(1, 6, 3 + place % 2)[0] * (-1) ** (place // 2)
    return vector("apple") + 0.3 * np.eye(1, 6, 5)[0]  # quince: an orphan near the fruit


VECTORS = np.array([vector(tag) for tag in NAMES], dtype=np.float16)


def questions(tag_lists, splits=None) -> pl.DataFrame:
    return pl.DataFrame({"tags": tag_lists, "split": splits or ["train"] * len(tag_lists)})


def every_tag(times: int, extra=()) -> list[list[str]]:
    return [[tag] for tag in NAMES if tag != "quince" for _ in range(times)] + list(extra)


def build(table: pl.DataFrame, **changed) -> TagSpace:
    return build_tagspace(table, NAMES, VECTORS, **{**SIZES, **changed})


@pytest.fixture(scope="module")
def space() -> TagSpace:
    return build(questions(every_tag(2, [["apple", "saw"], ["banana", "cherry"], ["quince", "tin", "zinc"]])))


def test_tags_are_folded_into_the_planted_groups(space):
    owner = dict(space.tags.select("tag", "centroid").iter_rows())
    assert len({owner[tags[0]] for tags in GROUPS.values()}) == 3
    for tags in GROUPS.values():
        assert len({owner[tag] for tag in tags}) == 1
    assert owner["quince"] == owner["apple"]
    assert space.tags.filter(~pl.col("kept"))["tag"].to_list() == ["quince"]


def test_an_orphan_far_from_every_centroid_is_no_label():
    table = questions(every_tag(3, [["quince"], ["quince", "tin"]]))
    near, far = (build(table, minimum_count=3, orphan_cosine=cosine) for cosine in (0.9, 0.99))
    assert near.label_of["quince"] == near.label_of["apple"]
    assert "quince" not in far.label_of
    assert far.labels[[-2, -1]].sum(axis=1).tolist() == [0, 1]
    assert far.summary()["tags"].sum() == len(NAMES) - 1
    assert (far.metrics()["orphan_tags"], far.metrics()["joined_orphan_tags"]) == (1, 0)
    assert far.metrics()["unlabelled_share"] == pytest.approx(1 / table.height)


@pytest.mark.parametrize("built", [0.9, 0.99])
@pytest.mark.parametrize("asked", [-1.0, 0.9, 0.99])
def test_joined_anew_it_is_the_space_that_would_have_been_built(built, asked):
    table = questions(every_tag(3, [["quince"], ["quince", "tin"]]))
    again = build(table, minimum_count=3, orphan_cosine=built).rejoined(table, VECTORS, asked)
    fresh = build(table, minimum_count=3, orphan_cosine=asked)
    assert again.tags.equals(fresh.tags)
    assert (again.labels != fresh.labels).nnz == 0
    with pytest.raises(ValueError, match="8 tag vectors do not fit 9 tags"):
        again.rejoined(table, VECTORS[1:], asked)


def test_any_tags_have_labels_and_unknown_ones_none(space):
    labels = space.labels_of(pl.Series([["apple", "saw", "banana"], ["saw", "unheard-of"], ["unheard-of"], []]))
    fruit, tool = space.label_of["apple"], space.label_of["saw"]
    assert [np.flatnonzero(row).tolist() for row in labels.toarray()] == [sorted([fruit, tool]), [tool], [], []]


def test_centroids_are_unit_means_named_after_a_member(space):
    assert space.centroids.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(space.centroids, axis=1), 1, atol=1e-6)
    for name, tags in zip(["fruit", "metal", "tool"], (GROUPS[g] for g in ("fruit", "metal", "tool")), strict=True):
        rows = [NAMES.index(tag) for tag in tags]
        unit = VECTORS[rows].astype(float)
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        mean = unit.mean(axis=0)
        centroid = int(space.tags["centroid"][rows[0]])
        np.testing.assert_allclose(space.centroids[centroid], mean / np.linalg.norm(mean), atol=1e-6)
        assert space.names[centroid] == tags[int((unit @ mean).argmax())], name


def test_centroids_are_numbered_by_training_use(space):
    uses = space.tags.filter("kept").group_by("centroid").agg(pl.col("count").sum()).sort("centroid")["count"]
    assert uses.to_list() == sorted(uses, reverse=True)


def test_labels_are_the_centroids_of_the_tags(space):
    rows = space.labels[[-3, -2, -1]].toarray()
    assert rows.dtype == bool
    named = [{space.names[i] for i in np.flatnonzero(row)} for row in rows]
    fruit, metal, tool = (space.names[space.tags.filter(tag=t)["centroid"][0]] for t in ("apple", "tin", "saw"))
    assert named == [{fruit, tool}, {fruit}, {fruit, metal}]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sets(st.sampled_from(NAMES), min_size=1, max_size=5), max_size=25), st.data())
def test_labels_agree_with_the_tag_table_for_any_questions(tag_sets, data):
    splits = data.draw(st.lists(st.sampled_from(["train", "validation", "test"]), min_size=len(tag_sets)))
    tags = [sorted(tags) for tags in tag_sets] + every_tag(2)
    table = questions(tags, splits[: len(tag_sets)] + ["train"] * len(every_tag(2)))
    space = build(table)
    owner = dict(space.tags.select("tag", "centroid").iter_rows())
    assert space.labels.shape == (len(tags), 3)
    for row, of_row in enumerate(tags):
        assert set(space.labels[[row]].indices) == {owner[tag] for tag in of_row}
    training = [tag for of_row, split in zip(tags, table["split"], strict=True) if split == "train" for tag in of_row]
    assert space.tags["count"].to_list() == [training.count(tag) for tag in NAMES]
    assert set(space.names) <= set(space.tags.filter("kept")["tag"])
    assert len(set(space.names)) == 3


def test_validation_and_test_rows_do_not_enter_the_label_space(space):
    extra = [["quince"]] * 40 + [["tin", "saw"]] * 40
    train = every_tag(2, [["apple", "saw"], ["banana", "cherry"], ["quince", "tin", "zinc"]])
    splits = ["train"] * len(train) + ["test", "validation"] * 40
    other = build(questions(train + extra, splits))
    assert other.tags.equals(space.tags)
    assert other.names == space.names
    np.testing.assert_array_equal(other.centroids, space.centroids)


def test_the_order_of_the_questions_changes_nothing_but_the_rows(space):
    tags = every_tag(2, [["apple", "saw"], ["banana", "cherry"], ["quince", "tin", "zinc"]])
    turned = build(questions(tags[::-1]))
    assert turned.tags.equals(space.tags)
    np.testing.assert_array_equal(turned.labels.toarray(), space.labels.toarray()[::-1])


def test_nearest_centroids_come_best_first(space):
    indices, cosines = space.nearest_centroids(VECTORS, 2)
    assert (indices.shape, indices.dtype) == ((len(NAMES), 2), np.int32)
    np.testing.assert_array_equal(indices[:, 0], space.tags["centroid"])
    np.testing.assert_allclose(cosines[:, 0], space.tags["cosine"], atol=1e-6)
    assert (cosines[:, 0] >= cosines[:, 1]).all()
    with pytest.raises(ValueError, match="cannot name 4 centroids for a vector: this tag space has 3"):
        space.nearest_centroids(VECTORS, 4)


def test_summary_describes_every_centroid(space):
    summary = space.summary()
    assert summary.columns == ["centroid", "name", "top_tags", "tags", "questions", "mean_cosine"]
    assert summary["name"].to_list() == space.names
    fruit = summary.row(int(space.tags.filter(tag="apple")["centroid"][0]), named=True)
    assert fruit["top_tags"] == "apple, banana, cherry, quince"
    assert (fruit["tags"], fruit["questions"]) == (4, 9)
    assert 0.9 < fruit["mean_cosine"] < 1
    assert summary["tags"].sum() == len(NAMES)


def test_metrics(space):
    found = space.metrics()
    assert (found["centroids"], found["tags"], found["kept_tags"], found["orphan_tags"]) == (3, 9, 8, 1)
    assert found["kept_share"] == pytest.approx(22 / 23)
    assert found["labels_per_question"] == pytest.approx(21 / 19)


def test_save_and_load_and_the_same_bytes_again(space, tmp_path):
    for folder in ("a", "b", "b"):  # the second time over what is there
        space.save(tmp_path / folder)
    loaded = TagSpace.load(tmp_path / "a")
    assert loaded.names == space.names
    assert loaded.tags.equals(space.tags)
    np.testing.assert_array_equal(loaded.centroids, space.centroids)
    assert (loaded.labels != space.labels).nnz == 0
    assert loaded.labels.dtype == bool
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_a_folder_that_is_incomplete_or_mixed_is_refused(space, tmp_path):
    space.save(tmp_path / "a")
    np.save(tmp_path / "a" / "centroids.npy", space.centroids[:2])
    with pytest.raises(ValueError, match=r"names.json has 3 centroids, centroids.npy 2, labels.npz 3"):
        TagSpace.load(tmp_path / "a")
    (tmp_path / "a" / "labels.npz").unlink()
    with pytest.raises(FileNotFoundError, match=r"is no tag space: labels.npz missing"):
        TagSpace.load(tmp_path / "a")


def test_too_few_common_tags_says_how_many_and_what_to_change():
    message = "only 8 tags are on 2 or more training questions, too few for 9 centroids: lower minimum_count"
    with pytest.raises(ValueError, match=message):
        build(questions(every_tag(2)), centroids=9)
    with pytest.raises(ValueError, match="only 0 tags"):
        build(questions(every_tag(2), ["test"] * 16))


def test_tags_and_vectors_that_do_not_belong_together_are_refused():
    with pytest.raises(ValueError, match=r"9 tag names \(9 distinct\) do not fit 8 tag vectors"):
        build_tagspace(questions(every_tag(2)), NAMES, VECTORS[:8], **SIZES)
    with pytest.raises(ValueError, match="1 tags of the questions have no vector, for example yew"):
        build(questions([["yew"]]))
