"""An encoder with a head: padding, depth, LoRA and files, on random models of two layers."""

from pathlib import Path

import pytest
import torch
from tiny_encoder import SPECIAL, WORDS, build_model, qwen
from torch import nn

from stackstudy.embeddings.encoder import load_encoder
from stackstudy.models.encoder_classifier import EncoderClassifier, tokenize
from stackstudy.models.tokens import TokenSequences

KINDS = {"bert": {}, "bert, first token": {"pooling": "cls"}, "qwen": {"pooling": "lasttoken", "make": qwen}}
LINEARS = {"bert": 6, "qwen": 7}  # of a layer


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    return {kind: build_model(tmp_path_factory.mktemp("tiny"), **options) for kind, options in KINDS.items()}


def network(folder: Path, **changes) -> EncoderClassifier:
    made = EncoderClassifier(str(folder), **{"outputs": 3, "dropout": 0.0} | changes)
    torch.manual_seed(0)
    nn.init.normal_(made.head.weight)
    nn.init.normal_(made.head.bias)
    return made


def read(folder: Path, titles: list[str], bodies: list[str], max_length: int = 20) -> TokenSequences:
    return tokenize(load_encoder(str(folder), "cpu"), titles, bodies, max_length, "cpu")


def words(sequences: TokenSequences, row: int) -> list[str]:
    ids, _ = sequences[torch.tensor([row])]
    return [[*SPECIAL, *WORDS][place] for place in ids[0].tolist()]


def test_title_and_body_are_one_sequence(folders):
    sequences = read(folders["bert"], ["w1 w2", "w3"], ["w4", ""])
    assert words(sequences, 0) == ["[CLS]", "w1", "w2", "[SEP]", "w4", "[SEP]"]
    assert words(sequences, 1) == ["[CLS]", "w3", "[SEP]", "[SEP]"]


def test_the_body_is_cut_and_the_title_is_whole(folders):
    sequences = read(folders["bert"], ["w1 w2 w3"], ["w4 " * 50], max_length=8)
    assert words(sequences, 0) == ["[CLS]", "w1", "w2", "w3", "[SEP]", "w4", "w4", "[SEP]"]
    long_title = read(folders["bert"], ["w1 " * 50], ["w4"], max_length=5)
    assert words(long_title, 0) == ["[CLS]", "w1", "w1", "w1", "[SEP]"]


def test_a_question_without_words_has_tokens_of_its_own(folders):
    sequences = read(folders["bert"], [""], [""])
    assert words(sequences, 0) == ["[CLS]", "[SEP]", "[SEP]"]
    assert network(folders["bert"])(*sequences[torch.tensor([0])]).isfinite().all()


def test_a_length_that_the_encoder_cannot_read_is_refused(folders):
    with pytest.raises(ValueError, match="3 to 64 tokens at once, not 65"):
        read(folders["bert"], ["w1"], ["w2"], max_length=65)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_does_not_matter(folders, kind):
    """The same logits alone and in a batch with longer texts."""
    sequences = read(folders[kind], ["w1 w2", "w3", ""], ["w4 " * 12, "w5 w6", ""])
    model = network(folders[kind]).eval()
    together = model(*sequences[torch.arange(3)])
    alone = torch.cat([model(*sequences[torch.tensor([row])]) for row in range(3)])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)
    assert (together[0] - together[1]).abs().max() > 0.01


def test_the_vector_is_that_of_the_encoder(folders, float32):
    encoder = load_encoder(str(folders["bert"]), "cpu")
    sequences = read(folders["bert"], ["w1 w2"], ["w3"])
    model = network(folders["bert"]).eval()
    model.head = nn.Identity()
    pooled, _, _ = encoder.forward([cut[0] for cut in encoder.tokenize(["w1 w2 [SEP] w3"], 20)])
    torch.testing.assert_close(model(*sequences[torch.tensor([0])]), pooled)


def test_the_head_begins_at_its_bias_and_the_dropout_of_the_encoder_is_off(folders):
    model = EncoderClassifier(str(folders["bert"]), outputs=3, dropout=0.5)
    assert model.training
    batch = read(folders["bert"], ["w1 w2"], ["w3"])[torch.tensor([0])]
    assert torch.equal(model(*batch)[0], model.head.bias)
    model.dropout.p = 0.0
    nn.init.normal_(model.head.weight)
    assert torch.equal(model(*batch), model(*batch))


def trained(model: EncoderClassifier) -> set[str]:
    return {name for name, weight in model.named_parameters() if weight.requires_grad}


@pytest.mark.parametrize("kind", ["bert", "qwen"])
def test_frozen_layers_are_the_lowest_and_embeddings_never_learn(folders, kind):
    everything, upper = trained(network(folders[kind])), trained(network(folders[kind], frozen_layers=1))
    assert everything > upper > {"head.weight", "head.bias"}
    assert not any("embed" in name for name in everything)
    assert all(".layer.1." in name or ".layers.1." in name for name in upper - {"head.weight", "head.bias"})
    with pytest.raises(ValueError, match="has 2 layers, so at most 1 of them"):
        network(folders[kind], frozen_layers=2)


@pytest.mark.parametrize("kind", ["bert", "qwen"])
def test_lora_adds_two_matrices_to_each_linear_layer(folders, kind):
    model = network(folders[kind], lora_rank=4)
    assert len(trained(model)) == 2 * 2 * LINEARS[kind] + 2
    assert all(".up." in name or ".down." in name for name in trained(model) - {"head.weight", "head.bias"})
    batch = read(folders[kind], ["w1 w2"], ["w3"])[torch.tensor([0])]
    assert torch.equal(model(*batch), network(folders[kind])(*batch)), "it begins as the encoder"


def test_layers_are_told_apart_from_the_inputs_up(folders):
    model = network(folders["bert"], frozen_layers=1)
    (upper, head) = model.layers()
    assert head is model.head
    assert {id(weight) for weight in upper.parameters()} | {id(weight) for weight in head.parameters()} == {
        id(weight) for weight in model.parameters() if weight.requires_grad
    }


@pytest.mark.parametrize("lora_rank", [None, 2])
def test_its_state_is_what_is_trained_and_enough_to_go_on_from(folders, lora_rank):
    model = network(folders["bert"], lora_rank=lora_rank)
    with torch.no_grad():
        for weight in model.parameters():
            weight += weight.requires_grad * torch.randn_like(weight)
    assert set(model.state_dict()) == trained(model)
    batch = read(folders["bert"], ["w1 w2"], ["w3"])[torch.tensor([0])]
    again = network(folders["bert"], lora_rank=lora_rank)
    inside = nn.ModuleDict({"model": again})  # as in a training
    inside.load_state_dict({f"model.{name}": value for name, value in model.state_dict().items()})
    assert torch.equal(again(*batch), model(*batch))


def test_a_state_that_lacks_a_trained_weight_is_refused(folders):
    model = network(folders["bert"])
    state = model.state_dict()
    del state["head.bias"]
    with pytest.raises(RuntimeError, match=r"Missing key.*head\.bias"):
        model.load_state_dict(state)


@pytest.mark.parametrize("kind", ["bert", "qwen"])
@pytest.mark.parametrize("lora_rank", [None, 2])
def test_checkpointing_changes_memory_and_no_gradient(folders, kind, lora_rank):
    sequences, gradients = read(folders[kind], ["w1 w2", "w3"], ["w4 " * 9, "w5"]), []
    for checkpointing in (False, True):
        model = network(folders[kind], lora_rank=lora_rank, gradient_checkpointing=checkpointing)
        assert model.encoder.transformers_model.is_activation_checkpointing == checkpointing
        model(*sequences[torch.arange(2)]).pow(2).sum().backward()
        gradients.append({name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None})
    assert gradients[0].keys() == gradients[1].keys() == trained(model)
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient)


def test_its_text_tells_what_it_stands_on(folders, tmp_path):
    other = build_model(tmp_path, seed=1)
    assert repr(network(folders["bert"])) == repr(network(folders["bert"]))
    assert repr(network(folders["bert"])) != repr(network(folders["bert"], frozen_layers=1))
    assert load_encoder(str(other), "cpu").weight_hash in repr(network(other))
