"""Random sentence-transformers models of a few thousand weights, as stand-ins for real encoders."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from transformers import BertConfig, BertModel, BertTokenizer, PreTrainedModel, Qwen3Config, Qwen3Model

WORDS = [f"w{i}" for i in range(60)]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WIDTH = 16
SIZES = {"hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
SIZES |= {"max_position_embeddings": 64, "initializer_range": 0.5}


def bert(vocabulary: int) -> PreTrainedModel:
    return BertModel(BertConfig(vocab_size=vocabulary, **SIZES))


def qwen(vocabulary: int) -> PreTrainedModel:
    """A decoder as Qwen3-Embedding is one: each token sees those before it."""
    return Qwen3Model(Qwen3Config(vocab_size=vocabulary, num_key_value_heads=1, head_dim=8, **SIZES))


def build_model(
    folder: Path,
    pooling: str = "mean",
    seed: int = 0,
    padding_side: str = "right",
    words: Sequence[str] = WORDS,
    make: Callable[[int], PreTrainedModel] = bert,
) -> Path:
    torch.manual_seed(seed)
    vocabulary = {word: i for i, word in enumerate([*SPECIAL, *words])}
    make(len(vocabulary)).save_pretrained(folder / "transformer")
    BertTokenizer(vocab=vocabulary, padding_side=padding_side).save_pretrained(folder / "transformer")
    transformer = Transformer(str(folder / "transformer"))
    SentenceTransformer(modules=[transformer, Pooling(WIDTH, pooling)]).save(str(folder / "model"))
    return folder / "model"
