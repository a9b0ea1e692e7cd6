"""The second executor, on a Ray cluster of three nodes of which one is killed."""

import threading

import pytest
from watching import wait_until

from stackstudy.runs import runner
from stackstudy.runs.executor import Job
from stackstudy.runs.pool import Demand

ray = pytest.importorskip("ray", reason="needs the extra cluster")
pytestmark = pytest.mark.cluster

EXPERIMENTS = ("01-first", "01-b", "01-c")
METRICS = b'{\n  "first": {\n    "amount": 3\n  }\n}\n'


@pytest.fixture
def cluster(project, monkeypatch):
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_DISABLE_MEMORY_MONITOR", "1")
    size = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
    started = Cluster(initialize_head=True, head_node_args=size)
    for _ in range(2):
        started.add_node(**{name: value for name, value in size.items() if name != "include_dashboard"})
    monkeypatch.setenv("RAY_ADDRESS", started.address)
    yield started
    ray.shutdown()
    started.shutdown()


def test_a_killed_node_loses_nothing(project, cluster, capsys):
    project.profile(experiments={name: {"notebook": "01-first"} for name in EXPERIMENTS})
    (project.root / "plans.txt").write_text("".join(f"{name} wait\n" for name in EXPERIMENTS))
    folders = [project.run_folder(name) for name in EXPERIMENTS]

    def kill_a_node():
        wait_until(lambda: all((folder / "progress.jsonl").exists() for folder in folders), 400)
        cluster.remove_node(cluster.worker_nodes.copy().pop(), allow_graceful=False)
        (project.root / "plans.txt").unlink()

    killer = threading.Thread(target=kill_a_node)
    killer.start()
    code = runner.run("toy", executor="ray")
    killer.join()
    out = capsys.readouterr().out
    assert code == 0, out
    assert out.count("its machine went away; trying again") == 1
    assert all((folder / "DONE").exists() for folder in folders)
    assert {(folder / "metrics.json").read_bytes() for folder in folders} == {METRICS}
    assert sorted((folder / "attempts.txt").read_text() for folder in folders) == ["x", "x", "xx"]
    assert runner.run("toy", dry_run=True) == 0
    assert "3 of 3 experiments are up to date" in capsys.readouterr().out


def test_on_a_ray_of_its_own_limits_hold_and_too_much_is_said(project, monkeypatch, capsys):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    project.profile(experiments={"01-first": {}, "01-b": {"notebook": "01-first", "timeout_minutes": 0.02}}, slots=2)
    assert runner.run("toy", executor="ray") == 1
    out = capsys.readouterr().out
    assert "01-b      failed   stopped after 0.02 minutes" in out
    assert (project.run_folder("01-first") / "DONE").exists()
    assert not ray.is_initialized()
    project.profile(experiments={"01-first": {"parameters": {"amount": 4}, "gpus": 1}})
    with pytest.raises(ValueError, match="experiment 01-first: takes 1 CPU, 1 GPU, and none of the 1 machines"):
        runner.run("toy", executor="ray")


def test_a_folder_that_is_not_shared_is_said(tmp_path):
    from stackstudy.runs.ray_executor import _work, hashes, not_arrived

    job = Job("a", "this", [], {}, {}, tmp_path / "log.txt", 1, Demand())
    with pytest.raises(FileNotFoundError, match="must lie on storage that all machines share"):
        _work(job, "0")
    (tmp_path / "metrics.json").write_text("1")
    written = hashes(tmp_path)
    assert not_arrived(tmp_path, written, seconds=0) is None
    (tmp_path / "metrics.json").write_text("2")
    assert not_arrived(tmp_path, written, seconds=0) == "metrics.json"
