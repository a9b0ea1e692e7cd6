"""Boosting on several machines: as good a model as on one, and clear words where that cannot be."""

import numpy as np
import pytest

from stackstudy.models.boosting import Rows, boost

ray = pytest.importorskip("ray", reason="needs the extra cluster")
pytestmark = pytest.mark.cluster

OPTIONS = {"objective": "binary:logistic", "eval_metric": "logloss", "max_depth": 3, "learning_rate": 0.3, "nthread": 1}


@pytest.fixture(scope="module", autouse=True)
def two_workers():
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=80 * 2**20)
    yield
    ray.shutdown()


def planted(rows: int, seed: int) -> Rows:
    random = np.random.default_rng(seed)
    features = random.normal(size=(rows, 6)).astype(np.float32)
    chance = 1 / (1 + np.exp(-2 * np.sin(2 * features[:, 0]) - features[:, 1]))
    return Rows(features, (random.random(rows) < chance).astype(np.float32), random.random(rows).astype(np.float32))


def test_two_workers_learn_as_well_as_one():
    train, validation, unseen = planted(3000, 0), planted(1001, 1), planted(2000, 2)
    (one, losses), (two, spread) = (
        boost(train, validation, OPTIONS, 60, 5, 0, "boosting", workers) for workers in (1, 2)
    )
    assert spread["validation_loss"].min() == pytest.approx(losses["validation_loss"].min(), rel=0.02)
    found = [booster.inplace_predict(unseen.features) for booster in (one, two)]
    assert np.corrcoef(*found)[0, 1] > 0.98
    right = [((each > 0.5) == unseen.targets).mean() for each in found]
    assert right[1] == pytest.approx(right[0], abs=0.015)
    assert right[1] > 0.7


@pytest.mark.parametrize(("rows", "found"), [(100, "the Ray cluster has 2 CPUs"), (2, "with 2 validation rows")])
def test_more_workers_than_there_can_be_are_refused(rows, found):
    with pytest.raises(ValueError, match=f"workers: 3 are asked for, .*{found}"):
        boost(planted(100, 0), planted(rows, 1), OPTIONS, 5, None, 0, "boosting", 3)
