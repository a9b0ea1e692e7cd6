import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from stackstudy.evaluation.catalogue import catalogue, corrected, histories
from stackstudy.evaluation.predictions import Predictions

COST = {"size": 7, "seconds": 1.5, "peak_memory_mb": 300.0}


def system(name: str, experiment: str, **parameters) -> Predictions:
    about = {"profile": "toy", "experiment": experiment, **parameters}
    return Predictions(name, "tags", "x", [0, 1], [0], np.zeros((1, 2, 3)), about)


@pytest.fixture
def folders(tmp_path) -> dict[str, list[Path]]:
    """A run with two baselines, and one with a network of two seeds."""
    made = {"baseline": tmp_path / "11-tags-baselines", "network": tmp_path / "13-mhsa"}
    costs = {"baseline": {"majority": COST, "zero-shot": COST}, "network": {"dsf-mhsa-published": COST | {"size": 9}}}
    for family, folder in made.items():
        folder.mkdir()
        (folder / "cost.json").write_text(json.dumps(costs[family]))
    history = {"seed": [0, 0, 0, 1], "epoch": [1, 2, 3, 1]}
    losses = dict.fromkeys(("train_loss", "validation_loss", "validation_f1_micro", "learning_rate"), 0.5)
    pl.DataFrame(history).with_columns(**losses).write_csv(made["network"] / "history.csv")
    pl.DataFrame({"seed": 0, "penalty": [0.1, 1]}).write_csv(made["baseline"] / "history.csv")
    return {family: [folder] for family, folder in made.items()} | {"trees": []}


@pytest.fixture
def systems() -> list[Predictions]:
    network = system("dsf-mhsa-published", "13-mhsa", system="dsf-mhsa", protocol="published")
    return [system("zero-shot", "11-tags-baselines"), network]


def test_each_system_has_a_row_with_its_cost_and_parameters(systems, folders):
    table = catalogue(systems, folders)
    zero_shot, network = table.to_dicts()
    assert (zero_shot["family"], zero_shot["protocol"], zero_shot["epochs"]) == ("baseline", "corrected", None)
    assert network == {
        "system": "dsf-mhsa-published",
        "family": "network",
        "architecture": "dsf-mhsa",
        "protocol": "published",
        "experiment": "13-mhsa",
        "parameters": "results/toy/parameters/13-mhsa.yaml",
        "learned": 9,
        "epochs": 2,
        "seconds": 1.5,
        "peak_memory_mb": 300.0,
    }


def test_an_unknown_cost_is_an_error(systems, folders):
    with pytest.raises(ValueError, match=r"says nothing of k-nearest, only of majority, zero-shot"):
        catalogue([system("k-nearest", "11-tags-baselines")], folders)
    (folders["network"][0] / "cost.json").unlink()
    with pytest.raises(FileNotFoundError, match="what dsf-mhsa-published cost: run 13-mhsa again"):
        catalogue(systems, folders)


def test_histories_are_those_of_networks_by_name(systems, folders):
    table = histories(systems, folders["network"])
    assert table.columns[:4] == ["system", "architecture", "seed", "epoch"]
    assert set(table["system"]) == {"dsf-mhsa-published"}
    assert len(table) == 4
    with pytest.raises(ValueError, match="no network among the systems"):
        histories(systems[:1], folders["network"])


def test_corrected_systems_of_an_architecture(systems):
    plain = system("dsf-mhsa", "13-b", system="dsf-mhsa", protocol="corrected")
    assert corrected([*systems, plain], "dsf-mhsa") == [plain]
