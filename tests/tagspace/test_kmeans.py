import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackstudy.tagspace import kmeans as module
from stackstudy.tagspace.kmeans import assign, lloyd, recursive_kmeans, seed_centroids, spherical_kmeans, unit_vectors


def cloud(n, d=5, seed=0):
    return unit_vectors(np.random.default_rng(seed).normal(size=(n, d)))


def plain_kmeans(points, centroids):
    """Spherical k-means in plain Python: lists, loops and the definition."""
    points, centroids = points.tolist(), centroids.tolist()
    dot = lambda a, b: sum(x * y for x, y in zip(a, b, strict=True))  # noqa: E731
    old = None
    while True:
        cosines = [[dot(point, centroid) for centroid in centroids] for point in points]
        new = [row.index(max(row)) for row in cosines]
        for cluster in range(len(centroids)):
            if cluster not in new:
                fits = [row[own] if new.count(own) > 1 else 9 for row, own in zip(cosines, new, strict=True)]
                new[fits.index(min(fits))] = cluster
        if new == old:
            return new, centroids, sum(dot(p, centroids[c]) for p, c in zip(points, new, strict=True))
        old = new
        for cluster in range(len(centroids)):
            members = [point for point, own in zip(points, new, strict=True) if own == cluster]
            total = [sum(axis) for axis in zip(*members, strict=True)]
            centroids[cluster] = [x / math.sqrt(dot(total, total)) for x in total]


@pytest.mark.parametrize("seed", range(8))
def test_same_as_plain_python_from_the_same_start(monkeypatch, seed):
    monkeypatch.setattr(module, "BLOCK", 7)
    points = cloud(40, seed=seed)
    start = cloud(6, seed=seed + 100)
    start[5] = -points.mean(axis=0) / np.linalg.norm(points.mean(axis=0))
    assignment, centroids, objective = plain_kmeans(points, start)
    found = lloyd(points, start)
    assert found.assignment.tolist() == assignment
    np.testing.assert_allclose(found.centroids, centroids, atol=1e-12)
    assert found.objective == pytest.approx(objective, abs=1e-10)


@pytest.mark.parametrize("seed", range(4))
def test_same_as_plain_python_when_clusters_run_empty(seed):
    points = cloud(12, seed=seed)
    start = np.repeat(cloud(1, seed=seed + 50), 5, axis=0)  # everything is nearest to the first of five equals
    assignment, centroids, _ = plain_kmeans(points, start)
    found = lloyd(points, start)
    assert found.assignment.tolist() == assignment
    np.testing.assert_allclose(found.centroids, centroids, atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_single_precision_finds_the_same_clusters(monkeypatch, seed):
    points = cloud(300, 16, seed)
    double = spherical_kmeans(points, 12, restarts=2, seed=seed)
    monkeypatch.setattr(module, "LARGE", 0)
    single = spherical_kmeans(points, 12, restarts=2, seed=seed)
    assert single.centroids.dtype == np.float32
    np.testing.assert_array_equal(single.assignment, double.assignment)
    np.testing.assert_allclose(single.centroids, double.centroids, atol=1e-6)
    assert single.objective == pytest.approx(double.objective, rel=1e-6)


def test_nearly_equal_centroids_are_told_apart_in_single_precision():
    points = cloud(500, 512).astype(np.float32)
    first = points[0]
    centroids = np.array([first, np.nextafter(first, np.roll(first, 1))])
    exact = points.astype(np.float64) @ centroids.T.astype(np.float64)
    assert ((points @ centroids.T).argmax(axis=1) != exact.argmax(axis=1)).any()  # what the second look is for
    np.testing.assert_array_equal(assign(points, centroids)[0], exact.argmax(axis=1))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 6), st.integers(0, 10**6), st.data())
def test_the_objective_never_falls_and_no_cluster_is_empty(n, d, seed, data):
    rng = np.random.default_rng(seed)
    points = unit_vectors(rng.integers(-2, 3, size=(n, d)) + 1e-3)  # many ties and repeats
    k = data.draw(st.integers(1, n))
    found = lloyd(points, seed_centroids(points, k, rng))
    assert (np.diff(found.objectives) >= -1e-9).all()
    assert np.unique(found.assignment).tolist() == list(range(k))
    np.testing.assert_allclose(np.linalg.norm(found.centroids, axis=1), 1)
    assert found.objective == pytest.approx((points * found.centroids[found.assignment]).sum())


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 30), st.integers(1, 9), st.integers(0, 10**6), st.data())
def test_recursion_has_the_wanted_leaves_and_repeats_itself(n, branching, seed, data):
    points = cloud(n, 3, seed)
    k = data.draw(st.integers(1, n))
    found = recursive_kmeans(points, k, branching=branching, restarts=2, seed=seed)
    again = recursive_kmeans(points, k, branching=branching, restarts=2, seed=seed)
    assert found.centroids.shape == (k, 3)
    assert np.unique(found.assignment).tolist() == list(range(k))
    np.testing.assert_array_equal(found.assignment, again.assignment)
    np.testing.assert_array_equal(found.centroids, again.centroids)


def test_recursion_splits_the_leaf_with_the_largest_loss():
    tight = [1, 0, 0]
    points = unit_vectors([tight, tight, [1, 0, 0.01], [0, 1, 0.6], [0, 1, -0.6], [0, 1, -0.5]])
    found = recursive_kmeans(points, 3, branching=2, restarts=5, seed=0)
    groups = {tuple(np.flatnonzero(found.assignment == leaf)) for leaf in range(3)}
    assert groups == {(0, 1, 2), (3,), (4, 5)}


def test_recursion_with_wide_branching_is_flat():
    points = cloud(50)
    flat = spherical_kmeans(points, 8, restarts=4, seed=1)
    tree = recursive_kmeans(points, 8, branching=100, restarts=4, seed=1)
    np.testing.assert_array_equal(flat.assignment, tree.assignment)
    assert tree.objective == pytest.approx(flat.objective)


def test_more_restarts_are_never_worse():
    points = cloud(120)
    found = [spherical_kmeans(points, 10, restarts=restarts, seed=3).objective for restarts in (1, 4, 12)]
    assert found == sorted(found)
    assert found[0] < found[-1]


def test_planted_groups_are_found():
    truth = np.repeat(np.arange(6), 20)
    points = np.eye(6, 8)[truth] + 0.1 * np.random.default_rng(0).normal(size=(120, 8))
    for found in (
        spherical_kmeans(points, 6, restarts=10, seed=0),
        recursive_kmeans(points, 6, branching=2, restarts=10, seed=0),
    ):
        assert len(set(zip(truth, found.assignment.tolist(), strict=True))) == 6


def test_one_cluster_is_the_mean_direction():
    points = cloud(30)
    found = spherical_kmeans(points, 1, restarts=1, seed=0)
    mean = points.mean(axis=0)
    np.testing.assert_allclose(found.centroids[0], mean / np.linalg.norm(mean))


def test_as_many_clusters_as_points_fits_perfectly():
    points = cloud(9)
    found = spherical_kmeans(points, 9, restarts=1, seed=0)
    assert sorted(found.assignment) == list(range(9))
    assert found.objective == pytest.approx(9)


@pytest.mark.parametrize("copies", [1, 5])
def test_equal_points_still_fill_every_cluster(copies):
    points = np.repeat(cloud(2)[:1], 6, axis=0)
    points[:copies] = points[0]
    found = spherical_kmeans(points, 4, restarts=3, seed=0)
    assert set(found.assignment) == set(range(4))
    assert found.objective == pytest.approx(6)


def test_repeats_of_a_point_share_its_cluster():
    points = np.repeat(cloud(5), 4, axis=0)
    found = spherical_kmeans(points, 5, restarts=5, seed=0)
    assert (found.assignment.reshape(5, 4) == found.assignment[::4, None]).all()
    assert found.objective == pytest.approx(20)


def test_points_that_cancel_out_keep_their_centroid():
    found = lloyd(np.array([[1.0, 0], [-1, 0]]), np.array([[0.0, 1]]))
    assert found.centroids.tolist() == [[0, 1]]


def test_length_does_not_matter():
    points = cloud(40)
    scaled = points * np.random.default_rng(1).uniform(0.1, 9, size=(40, 1))
    first, second = (spherical_kmeans(p, 5, restarts=2, seed=0) for p in (points, scaled))
    np.testing.assert_array_equal(first.assignment, second.assignment)


@pytest.mark.parametrize("broken", [[0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0]])
def test_a_vector_without_direction_is_named(broken):
    points = np.array([[1.0, 2.0], [0.0, 1.0], broken])
    for call in (
        lambda: spherical_kmeans(points, 2, restarts=1, seed=0),
        lambda: recursive_kmeans(points, 2, branching=2, restarts=1, seed=0),
    ):
        with pytest.raises(ValueError, match="vector 2 has no direction"):
            call()


@pytest.mark.parametrize("k", [0, 6])
def test_impossible_numbers_of_clusters_are_refused(k):
    message = f"cannot make {k} clusters of 5 vectors: ask for 1 to 5"
    with pytest.raises(ValueError, match=message):
        spherical_kmeans(cloud(5), k, restarts=1, seed=0)
    with pytest.raises(ValueError, match=message):
        recursive_kmeans(cloud(5), k, branching=2, restarts=1, seed=0)
