"""Sequence-aware dual-stream fusion: the vectors of a body meet each other before the title asks them."""

import torch.nn.functional as F
from torch import Tensor, nn

from stackstudy.models.attention import CrossAttention, EncoderLayer, spread
from stackstudy.models.dsf import after_fusion, check_counts, classifier, fused, stream

COUNT_WIDTH = 32  # of the label count's projection


class SequenceDSF(nn.Module):
    """Convolution and self-attention over the body, cross-attention from the title, mean of the body, classifier.

    Published: the vectors of the first 32 tokens, hidden 512, the number of target labels / 5 as an input
    (`label_count`, a leak).
    """

    def __init__(
        self,
        inputs: int,
        hidden: int,
        outputs: int,
        dropout: float,
        heads: int = 8,
        kernel: int = 3,
        label_count: bool = False,
    ) -> None:
        super().__init__()
        self.arguments = {"inputs": inputs, "hidden": hidden, "outputs": outputs, "dropout": dropout}
        self.arguments |= {"heads": heads, "kernel": kernel, "label_count": label_count}
        self.kernel = kernel
        self.title_stream = stream(inputs, hidden, dropout)
        self.convolution = nn.Sequential(
            nn.Linear(inputs * kernel, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Dropout(dropout)
        )
        self.encoder = EncoderLayer(hidden, heads, dropout)
        self.cross_attention = CrossAttention(hidden, heads)
        self.norm = nn.LayerNorm(hidden)
        self.count = nn.Linear(1, COUNT_WIDTH) if label_count else None
        self.head = classifier(2 * hidden + COUNT_WIDTH * label_count, hidden, outputs)

    def forward(self, title: Tensor, body: Tensor, mask: Tensor, counts: Tensor | None = None) -> Tensor:
        """Return logits (b, outputs) for title (b, inputs), body (b, t, inputs), mask (b, t) and counts (b, 1)."""
        check_counts(self, counts)
        query, sequence = self.title_stream(title), self._sequence(body, mask)  # (b, hidden), (b, t, hidden)
        answer = self.norm(query + self.cross_attention(query, sequence, mask))  # (b, hidden)
        return self.head(fused(answer, sequence, mask, None if counts is None else self.count(counts)))

    def attention(self, title: Tensor, body: Tensor, mask: Tensor) -> Tensor:
        """Return how much of the title's attention each body vector gets: (b, heads, t), adding up to 1 over t."""
        return self.cross_attention.weights(self.title_stream(title), self._sequence(body, mask), mask)

    def mixing_points(self) -> tuple[tuple[nn.Module, ...], ...]:
        """Return the modules whose outputs manifold mixup may mix."""
        return after_fusion(self.head)

    def _sequence(self, body: Tensor, mask: Tensor) -> Tensor:
        """Return the body after its vectors met each other: (b, t, hidden), zeros where masked."""
        # Conv1d as a linear map of windows: only those around real vectors are computed, and enter the batch norm.
        before, after = (self.kernel - 1) // 2, self.kernel // 2  # zeros, so that there are as many windows as vectors
        padded = F.pad(body.where(mask[..., None], 0), (0, 0, before, after))
        windows = padded.unfold(1, self.kernel, 1)[mask].flatten(1)  # (r, inputs * kernel)
        return spread(self.encoder(self.convolution(windows), mask), mask)
