import numpy as np
import pytest
from scipy import sparse

from stackstudy.evaluation import scores, tags
from stackstudy.evaluation.bootstrap import BLOCK, RowSums, draw_counts, holm, interval, p_value, paired_bootstrap


def mean_of(values: np.ndarray) -> RowSums:
    columns = np.column_stack([np.ones(len(values)), values])
    return RowSums((columns,), lambda sums: {"mean": sums[1] / sums[0]})


def test_every_resample_draws_as_many_rows_as_there_are():
    blocks = list(draw_counts(17, BLOCK + 5, seed=0))
    assert [block.shape for block in blocks] == [(17, BLOCK), (17, 5)]
    assert all((block.sum(axis=0) == 17).all() for block in blocks)


def test_the_draws_are_those_of_one_stream_whatever_the_block():
    blocks = np.hstack(list(draw_counts(17, BLOCK + 5, seed=3)))
    draws = np.random.default_rng(3).integers(17, size=(BLOCK + 5, 17))
    np.testing.assert_array_equal(blocks.T, [np.bincount(draw, minlength=17) for draw in draws])


def test_a_resample_is_what_its_rows_give_when_written_out():
    random = np.random.default_rng(1)
    probabilities, labels = random.random((30, 6), dtype=np.float32), random.random((30, 6)) < 0.3
    actual, predicted = random.integers(0, 50, 30), random.random(30) * 50
    counts = next(draw_counts(30, 20, seed=2))
    of_tags = tags.row_sums(probabilities, labels, 0.4).resampled(counts)
    of_scores = scores.row_sums(actual, predicted).resampled(counts)
    for number, count in enumerate(counts.T.astype(int)):
        rows = np.repeat(np.arange(30), count)
        written_out = tags.row_sums(probabilities[rows], labels[rows], 0.4).point()
        for metric, values in of_tags.items():
            assert values[number] == pytest.approx(written_out[metric], abs=1e-6), metric
        written_out = scores.row_sums(actual[rows], predicted[rows]).point()
        for metric in ("rmse", "mae", "r2", "rmse_log", "r2_log"):
            assert of_scores[metric][number] == pytest.approx(written_out[metric]), metric


def test_some_rows_are_evaluated_like_a_table_of_their_own():
    random = np.random.default_rng(1)
    probabilities, labels = random.random((30, 6), dtype=np.float32), random.random((30, 6)) < 0.3
    rows = np.arange(0, 30, 4)
    part = tags.row_sums(probabilities, labels, 0.4).take(rows).point()
    assert part == tags.row_sums(probabilities[rows], labels[rows], 0.4).point()


def test_seeds_are_averaged_inside_a_resample():
    values = np.random.default_rng(0).random((2, 40))
    both = paired_bootstrap({"a": [mean_of(v) for v in values]}, 200, seed=1)
    one = paired_bootstrap({"a": [mean_of(values.mean(axis=0))]}, 200, seed=1)
    np.testing.assert_allclose(both.resampled["a"]["mean"], one.resampled["a"]["mean"])
    np.testing.assert_allclose(both.values["a"]["mean"], values.mean(axis=1))


def test_with_seeds_too_their_scatter_widens_the_interval_unless_there_is_one():
    values, shifts = np.random.default_rng(0).normal(size=40), np.array([-1.0, 0.0, 1.0])
    scattered = {"a": [mean_of(values + shift) for shift in shifts]}
    questions, both = (
        paired_bootstrap(scattered, 4000, 1, seeds_too=also).resampled["a"]["mean"] for also in (False, True)
    )
    assert both.var() == pytest.approx(questions.var() + shifts.var() / 3, rel=0.1)
    one = {"a": [mean_of(values)]}
    alone = [paired_bootstrap(one, 300, 1, seeds_too=also).resampled["a"]["mean"] for also in (False, True)]
    np.testing.assert_array_equal(*alone)


def test_systems_with_as_many_seeds_draw_the_same_ones():
    values, shifts = np.random.default_rng(0).normal(size=40), (-1.0, 0.0, 1.0)
    pair = {name: [mean_of(values + shift + lead) for shift in shifts] for name, lead in (("a", 0.01), ("b", 0.0))}
    drawn = paired_bootstrap(pair, 400, 0, seeds_too=True).resampled
    np.testing.assert_allclose(drawn["a"]["mean"] - drawn["b"]["mean"], 0.01)


def test_rows_among_others_that_count_nothing_are_evaluated_as_before():
    random = np.random.default_rng(1)
    places = np.array([3, 4, 10, 30])
    of_tags = tags.row_sums(random.random((4, 6), dtype=np.float32), random.random((4, 6)) < 0.3, 0.4)
    of_scores = scores.row_sums(random.integers(0, 50, 4), random.random(4) * 50)
    for each in (of_tags, of_scores):
        placed = each.among(places, 40)
        assert placed.rows == 40
        assert placed.take(places).point() == pytest.approx(each.point(), nan_ok=True)
        for metric, value in placed.point().items():
            assert value == pytest.approx(each.point()[metric], nan_ok=True), metric


def test_the_seed_decides_the_result():
    systems = {"a": [mean_of(np.arange(20.0))]}
    first, again, other = (paired_bootstrap(systems, 300, seed).resampled["a"]["mean"] for seed in (0, 0, 1))
    assert first.tobytes() == again.tobytes()
    assert (first != other).any()


def test_systems_share_resamples_so_a_constant_lead_is_certain():
    values = np.random.default_rng(0).normal(size=50)
    found = paired_bootstrap({"a": [mean_of(values + 0.01)], "b": [mean_of(values)]}, 400, seed=0).resampled
    difference = found["a"]["mean"] - found["b"]["mean"]
    np.testing.assert_allclose(difference, 0.01)
    assert p_value(difference) == pytest.approx(2 / 401)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    random = np.random.default_rng(0)
    covered = 0
    for number in range(200):
        drawn = paired_bootstrap({"a": [mean_of(random.exponential(size=60))]}, 400, seed=number)
        low, high = interval(drawn.resampled["a"]["mean"])
        covered += low <= 1 <= high
    assert 0.87 <= covered / 200 <= 0.99


def test_p_is_even_under_no_difference():
    random = np.random.default_rng(0)
    p = []
    for number in range(200):
        pair = {name: [mean_of(random.normal(size=60))] for name in "ab"}
        drawn = paired_bootstrap(pair, 200, seed=number).resampled
        p.append(p_value(drawn["a"]["mean"] - drawn["b"]["mean"]))
    assert 0.01 <= np.mean(np.array(p) < 0.05) <= 0.12
    assert 0.4 <= np.mean(p) <= 0.6


def test_p_does_not_depend_on_the_order_of_a_pair():
    differences = np.random.default_rng(0).normal(0.5, size=999)
    assert p_value(differences) == p_value(-differences)
    assert p_value(np.zeros(50)) == 1
    assert np.isnan(p_value(np.array([0.1, np.nan])))


def test_intervals_skip_undefined_resamples():
    assert interval(np.array([np.nan, 1.0, 1.0])) == (1, 1)
    assert np.isnan(interval(np.full(3, np.nan))).all()


def test_holm_follows_its_worked_example():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.6, 0.5, np.nan]), [1, 1, np.nan])


def test_systems_with_other_rows_cannot_be_compared():
    with pytest.raises(ValueError, match=r"same rows.*\[3, 4\]"):
        paired_bootstrap({"a": [mean_of(np.arange(3.0))], "b": [mean_of(np.arange(4.0))]}, 10, 0)
    with pytest.raises(ValueError, match="none"):
        paired_bootstrap({}, 10, 0)


def test_sparse_and_dense_sums_are_the_same():
    values = np.random.default_rng(0).random((30, 4)).astype(np.float32)
    counts = next(draw_counts(30, 10, seed=0))
    dense, thin = (RowSums((part,), lambda sums: {"s": sums}) for part in (values, sparse.csr_array(values)))
    np.testing.assert_allclose(dense.resampled(counts)["s"], thin.resampled(counts)["s"], rtol=1e-5)
