"""Who gets which GPU, and when there is no room."""

import pytest

from stackstudy.runs.pool import Demand, Pool, Taken, this_machine, visible_gpus

POOL = Pool(slots=4, gpus=("0", "1"), memory_gb=10)


def places(pool, *demands):
    """Place demands one after the other; return the GPUs of each, None where there was no room."""
    taken, given = [], []
    for demand in demands:
        place = pool.place(demand, taken)
        taken += [place] if place else []
        given.append(place and place.gpus)
    return given


def test_one_experiment_a_gpu_unless_they_share():
    assert places(POOL, *[Demand(gpus=1)] * 3) == [("0",), ("1",), None]
    assert places(POOL, Demand(gpus=0.5), Demand(gpus=1), Demand(gpus=0.5), Demand()) == [("0",), ("1",), ("0",), ()]
    assert places(POOL, *[Demand(gpus=1 / 3)] * 4) == [("0",)] * 3 + [("1",)]
    assert places(POOL, Demand(gpus=0.1), Demand(gpus=2)) == [("0",), None]
    assert places(POOL, Demand(gpus=2), Demand(gpus=0.1)) == [("0", "1"), None]


def test_slots_and_memory_are_counted_too():
    assert places(POOL, Demand(slots=3), Demand(slots=2), Demand()) == [(), None, ()]
    assert places(POOL, Demand(memory_gb=6), Demand(memory_gb=5), Demand(memory_gb=4)) == [(), None, ()]
    assert POOL.place(Demand(), [Taken(Demand(memory_gb=10), ())]) is not None


def test_this_machine_has_the_gpus_that_cuda_may_see(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, GPU-8f,")
    assert visible_gpus() == ("3", "GPU-8f")
    assert this_machine(2).gpus == ("3", "GPU-8f")
    assert this_machine(2, gpus=1, memory_gb=7) == Pool(2, ("3",), 7)
    with pytest.raises(ValueError, match="counts on 4 GPUs, this machine shows 2"):
        this_machine(2, gpus=4)
    for nothing in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", nothing)
        assert visible_gpus() == ()
    assert this_machine(1).memory_gb > 0.5
