import json

import pytest
import torch

from stackstudy.models.dsf import DSFMHSA, DSFCrossAttention
from stackstudy.models.label_attention import LabelAttention
from stackstudy.models.mlp import BodyMLP
from stackstudy.models.saving import CLASSES, SavedModel, load_model, save_model
from stackstudy.models.sequence import SequenceDSF


@pytest.fixture
def saved() -> SavedModel:
    models = {seed: BodyMLP(inputs=6, hidden=(5,), outputs=2, dropout=0.4).eval() for seed in (3, 11)}
    return SavedModel(models, {3: 0.25, 11: 0.5}, ("body",), ("python", "java"), "minilm")


def test_a_loaded_model_predicts_the_same(tmp_path, saved):
    save_model(saved, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    body = torch.randn(4, 6)
    for seed in (3, 11):
        assert torch.equal(loaded.models[seed](body), saved.models[seed](body))
    for name in ("thresholds", "streams", "labels", "encoder"):
        assert getattr(loaded, name) == getattr(saved, name)


FUSIONS = (DSFMHSA, DSFCrossAttention, SequenceDSF)


def test_all_networks_are_known():
    assert set(CLASSES.values()) == {BodyMLP, LabelAttention, *FUSIONS}


@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_loaded_fusion_predicts_the_same(tmp_path, fusion):
    title, body, mask = torch.randn(4, 6), torch.randn(4, 3, 6), torch.ones(4, 3, dtype=torch.bool)
    model = fusion(inputs=6, hidden=16, outputs=2, dropout=0.4, heads=4)
    model(title, body, mask)  # in training, so that batch statistics are not those of a new network
    streams = ("title", "body_chunks")
    save_model(SavedModel({3: model}, {3: 0.5}, streams, ("python", "java"), "minilm"), tmp_path / "model")
    loaded = load_model(tmp_path / "model").models[3]
    assert torch.equal(loaded(title, body, mask), model.eval()(title, body, mask))


def test_no_pickle_and_nothing_left_of_an_earlier_model(tmp_path, saved):
    save_model(saved, tmp_path / "model")
    save_model(SavedModel({3: saved.models[3]}, {3: 0.1}, ("body",), ("a", "b"), "minilm"), tmp_path / "model")
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["model.json", "seed-3.safetensors"]


def test_a_missing_or_unknown_model_is_named(tmp_path, saved):
    with pytest.raises(FileNotFoundError, match=r"gone.model\.json: run the experiment"):
        load_model(tmp_path / "gone")
    save_model(saved, tmp_path)
    about = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps(about | {"class": "Oracle"}))
    with pytest.raises(ValueError, match="unknown model class 'Oracle'; known are BodyMLP"):
        load_model(tmp_path)
