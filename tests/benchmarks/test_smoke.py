"""Every benchmark runs, at smoke sizes, and what it finds can be read; times are not judged."""

import json
import math
import subprocess
import sys

import pytest

from stackstudy.paths import project_root

pytestmark = pytest.mark.slow
NAMES = {
    "dsf_crossattn_training",
    "dsf_mhsa_training",
    "body_mlp_training",
    "sequence_dsf_training",
    "dsf_crossattn_time_to_f1",
    "dsf_mhsa_memory",
    "body_mlp_memory",
    "sequence_dsf_memory",
    "xgboost_single_label",
    "embedding",
    "kmeans",
    "evaluation",
    "ingestion",
    "growth_ingestion",
    "growth_embedding",
    "growth_training",
    "growth_evaluation",
    "million_questions",
}
REPORT = {"make_report", "make_paper"}  # only where the runs of the profile are finished


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    path = tmp_path_factory.mktemp("benchmarks") / "benchmarks.json"
    command = [sys.executable, "-m", "benchmarks", "--smoke", "--out", str(path)]
    done = subprocess.run(command, cwd=project_root(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(path.read_text()), done.stdout


def test_each_claim_is_measured(smoke):
    results, printed = smoke
    assert set(results) - REPORT == NAMES | {"machine"}
    for name in NAMES:
        assert results[name]["workload"] in printed


def test_all_numbers_are_finite_and_flat(smoke):
    results, _ = smoke
    for name, result in results.items():
        for value in result.values():
            assert value is None or isinstance(value, str | bool | int) or math.isfinite(value), name
    assert all(results[name]["ours_seconds"] > 0 for name in NAMES)
    assert all(value > 0 for value in results["machine"].values())


def test_a_ratio_is_that_of_the_seconds(smoke):
    result = smoke[0]["evaluation"]
    assert result["ratio"] == pytest.approx(result["usual_seconds"] / result["ours_seconds"])


def test_both_ways_of_embedding_give_the_same_vectors(smoke):
    assert smoke[0]["embedding"]["least_cosine"] > 0.99


def test_an_unknown_name_is_refused():
    command = [sys.executable, "-m", "benchmarks", "nothing"]
    done = subprocess.run(command, cwd=project_root(), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no benchmark nothing" in done.stderr
