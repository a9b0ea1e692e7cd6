"""A text encoder with a linear layer on top of it, trained end to end: token ids in, one logit a label out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stackstudy.embeddings.encoder import Encoder, load_encoder
from stackstudy.models.lora import add_lora
from stackstudy.models.mixup import set_dropout
from stackstudy.models.tokens import TokenSequences
from stackstudy.runs import progress

TEXTS = 1000  # that are tokenized between two reports


class EncoderClassifier(nn.Module):
    """The unit vector that the encoder gives for a text, dropout, and a linear layer.

    Trained are the new layer and the encoder's layers but the lowest `frozen_layers`, all their weights or, with a
    `lora_rank`, what low-rank adaptation adds to them. Embeddings of words and positions stay as they are: they are
    half of a small encoder's weights, and most words are too rare in a few thousand questions to learn anew.

    The state of the network is what is trained and no more, so that its files are small; the rest is the encoder's.
    """

    def __init__(
        self,
        encoder: str,
        outputs: int,
        dropout: float,
        frozen_layers: int = 0,
        lora_rank: int | None = None,
        gradient_checkpointing: bool = False,
        device: str = "cpu",
    ) -> None:
        """Load the `encoder` (see `load_encoder`). ValueError: it has no more than `frozen_layers` layers."""
        super().__init__()
        self.source = load_encoder(encoder, device)
        self.arguments: dict[str, Any] = {"encoder": encoder, "outputs": outputs, "dropout": dropout}
        self.arguments |= {"frozen_layers": frozen_layers, "lora_rank": lora_rank}
        self.encoder = self.source.model  # token ids and mask -> vector (b, d)
        # Its own dropout takes a third of the time of a step on a CPU, and a few epochs can do without it.
        set_dropout(self.encoder, 0.0)
        self._freeze(frozen_layers, lora_rank)
        if gradient_checkpointing:  # memory for time: hidden states are computed again when gradients need them
            options = {"use_reentrant": False}  # the other kind needs inputs with a gradient
            self.encoder.transformers_model.activation_checkpointing_enable(options)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.source.dimension, outputs, device=device)
        nn.init.zeros_(self.head.weight)
        self.train()  # the encoder comes ready to embed
        self.register_state_dict_post_hook(_leave_out_frozen)
        self.register_load_state_dict_post_hook(_expect_no_frozen)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return logits (b, outputs) for token ids (b, t) and mask (b, t), 1 where there is a token."""
        vectors = self.encoder({"input_ids": ids, "attention_mask": mask})["sentence_embedding"].float()
        with torch.autocast(vectors.device.type, enabled=False):  # logits are as exact as those of other networks
            return self.head(self.dropout(nn.functional.normalize(vectors, dim=1)))

    def layers(self) -> list[nn.Module]:
        """Return what is trained, from the inputs up; the head comes last."""
        return [*_blocks(self.encoder.transformers_model)[self.arguments["frozen_layers"] :], self.head]

    def extra_repr(self) -> str:
        return f"{self.arguments}, weight_hash={self.source.weight_hash}"

    def _freeze(self, frozen_layers: int, lora_rank: int | None) -> None:
        self.encoder.requires_grad_(False)
        blocks = _blocks(self.encoder.transformers_model)
        if frozen_layers >= len(blocks):
            name = self.arguments["encoder"]
            raise ValueError(
                f"frozen_layers: encoder {name} has {len(blocks)} layers, so at most {len(blocks) - 1} of them"
            )
        for block in blocks[frozen_layers:]:
            if lora_rank is None:
                block.float().requires_grad_(True)
            else:
                add_lora(block, lora_rank)


def tokenize(
    encoder: Encoder, titles: Sequence[str], bodies: Sequence[str], max_length: int, device: str
) -> TokenSequences:
    """Return title, separator and body of each question as one sequence of at most `max_length` tokens.

    What is beyond is left out: the end of the body, or of a title that fills it all. ValueError: the encoder cannot
    read `max_length`.
    """
    separator = encoder.model.tokenizer.sep_token or "\n"  # decoders have none
    texts = [f"{title} {separator} {body}" for title, body in zip(titles, bodies, strict=True)]
    ids, lengths = [], []
    for start in range(0, len(texts), TEXTS):
        windows = [cut[0]["input_ids"] for cut in encoder.tokenize(texts[start : start + TEXTS], max_length)]
        ids += [np.array(window, dtype=np.int32) for window in windows]
        lengths += map(len, windows)
        progress.report("tokenizing", len(lengths), len(texts))
    return TokenSequences(torch.from_numpy(np.concatenate(ids)).to(device), torch.tensor(lengths, device=device))


def _blocks(transformer: nn.Module) -> nn.ModuleList:
    """Return the layers of a transformer, the lowest first."""
    count = transformer.config.num_hidden_layers
    return next(each for each in transformer.modules() if isinstance(each, nn.ModuleList) and len(each) == count)


def _frozen(network: nn.Module) -> set[str]:
    """Return the names of all weights but the trained ones."""
    trained = {name for name, weight in network.named_parameters() if weight.requires_grad}
    return {name for name, _ in (*network.named_parameters(), *network.named_buffers()) if name not in trained}


def _leave_out_frozen(network: nn.Module, state: dict[str, Tensor], prefix: str, _: Any) -> None:
    for name in _frozen(network):
        state.pop(prefix + name, None)


def _expect_no_frozen(network: nn.Module, keys: Any) -> None:
    """Take frozen weights out of the missing ones, whatever the network is a part of."""
    frozen = tuple(_frozen(network))
    keys.missing_keys[:] = [name for name in keys.missing_keys if not name.endswith(frozen)]
