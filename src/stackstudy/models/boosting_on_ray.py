"""Boosted trees of which each machine of a Ray cluster keeps a part of the rows.

XGBoost's own collective adds up the gradient histograms of all parts, so that every machine grows the same trees.
"""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import xgboost as xgb

from stackstudy.runs.ray_executor import cluster

Part = tuple[np.ndarray | None, ...]  # features, targets, weights of some rows
Losses = dict[str, dict[str, list[float]]]
RUN_DIR = "STACKSTUDY_RUN_DIR"  # where progress is reported


def boost_on_ray(
    grow: Callable[..., tuple[xgb.Booster, Losses]], train: Part, validation: Part, workers: int
) -> tuple[xgb.Booster, Losses]:
    """Call ``grow(train, validation)`` in a Ray task on each of `workers` parts of the rows, all at the same time.

    Of the cluster of RAY_ADDRESS, or of a Ray that is started here. ValueError: it has fewer cores than that, or there
    are fewer rows than workers.
    """
    if min(len(train[0]), len(validation[0])) < workers:
        raise ValueError(f"workers: {workers} are asked for, with {len(validation[0])} validation rows to share")
    with cluster({"CPU": workers}) as ray:
        tracker = xgb.RabitTracker(host_ip=ray.util.get_node_ip_address(), n_workers=workers)
        tracker.start()
        told = {name: os.environ[name] for name in (RUN_DIR,) if name in os.environ}
        tasks = [
            ray.remote(_grow_part)
            .options(num_cpus=1, max_retries=0, runtime_env={"env_vars": told if rank == 0 else {RUN_DIR: ""}})
            .remote(grow, _part(train, rank, workers), _part(validation, rank, workers), tracker.worker_args())
            for rank in range(workers)
        ]
        raw, losses = ray.get(tasks)[0]
        tracker.wait_for()
    return xgb.Booster(model_file=bytearray(raw)), losses


def _part(rows: Part, rank: int, workers: int) -> Part:
    return tuple(None if array is None else array[rank::workers] for array in rows)


def _grow_part(
    grow: Callable[..., tuple[xgb.Booster, Losses]], train: Part, validation: Part, tracker: dict[str, Any]
) -> tuple[bytes, Losses]:
    with xgb.collective.CommunicatorContext(**tracker):
        booster, losses = grow(train, validation)
    return bytes(booster.save_raw("ubj")), losses
