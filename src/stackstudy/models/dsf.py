"""Dual-stream fusion: a title and the pieces of a body, each through its own stream, brought together by attention.

A body is a list of vectors (b, t, inputs) with a mask (b, t) of the real ones. The published networks see one: the
vector of the whole body. Attention over one key is a constant (its softmax is 1, whatever the title says), so the
corrected networks see many: the chunks of the body.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stackstudy.models.attention import CrossAttention, SelfAttention, spread
from stackstudy.models.dropout import Dropout


class _DualStream(nn.Module):
    """A stream for the title and one for the pieces of the body; what brings them together makes the network."""

    head: nn.Sequential

    def __init__(
        self, inputs: int, hidden: int, outputs: int, dropout: float, heads: int = 8, label_count: bool = False
    ) -> None:
        super().__init__()
        self.arguments = {"inputs": inputs, "hidden": hidden, "outputs": outputs, "dropout": dropout}
        self.arguments |= {"heads": heads, "label_count": label_count}
        self.title_stream = stream(inputs, hidden, dropout)
        self.body_stream = stream(inputs, hidden, dropout)

    def mixing_points(self) -> tuple[tuple[nn.Module, ...], ...]:
        """Return the modules whose outputs manifold mixup may mix."""
        return after_fusion(self.head)


class DSFMHSA(_DualStream):
    """Title and pieces of the body attend to each other; then the title and the mean of the pieces are classified.

    Published: one piece, hidden 1024, the number of target labels / 5 as an input (`label_count`, a leak).
    """

    def __init__(
        self, inputs: int, hidden: int, outputs: int, dropout: float, heads: int = 8, label_count: bool = False
    ) -> None:
        super().__init__(inputs, hidden, outputs, dropout, heads, label_count)
        self.self_attention = SelfAttention(hidden, heads)
        self.norm = nn.LayerNorm(hidden)
        self.head = nn.Sequential(nn.Linear(2 * hidden + label_count, hidden), nn.GELU(), nn.Linear(hidden, outputs))

    def forward(self, title: Tensor, body: Tensor, mask: Tensor, counts: Tensor | None = None) -> Tensor:
        """Return logits (b, outputs) for title (b, inputs), body (b, t, inputs), mask (b, t) and counts (b, 1)."""
        check_counts(self, counts)
        pieces = spread(self.body_stream(body[mask]), mask)  # (b, t, hidden)
        present = F.pad(mask, (1, 0), value=True)  # (b, 1 + t): the title is always there
        tokens = torch.cat([self.title_stream(title)[:, None], pieces], dim=1)[present]  # (r, hidden)
        tokens = spread(self.norm(tokens + self.self_attention(tokens, present)), present)  # (b, 1 + t, hidden)
        return self.head(fused(tokens[:, 0], tokens[:, 1:], mask, counts))


class DSFCrossAttention(_DualStream):
    """The title asks the pieces of the body; then it and the mean of the pieces are classified.

    Published: one piece, hidden 1024, the number of target labels / 5 as an input (`label_count`, a leak).
    """

    def __init__(
        self, inputs: int, hidden: int, outputs: int, dropout: float, heads: int = 8, label_count: bool = False
    ) -> None:
        super().__init__(inputs, hidden, outputs, dropout, heads, label_count)
        self.cross_attention = CrossAttention(hidden, heads)
        self.norm = nn.LayerNorm(hidden)
        self.head = classifier(2 * hidden + label_count, hidden, outputs)

    def forward(self, title: Tensor, body: Tensor, mask: Tensor, counts: Tensor | None = None) -> Tensor:
        """Return logits (b, outputs) for title (b, inputs), body (b, t, inputs), mask (b, t) and counts (b, 1)."""
        check_counts(self, counts)
        query, pieces = self._streams(title, body, mask)  # (b, hidden), (b, t, hidden)
        answer = self.norm(query + self.cross_attention(query, pieces, mask))  # (b, hidden)
        return self.head(fused(answer, pieces, mask, counts))

    def attention(self, title: Tensor, body: Tensor, mask: Tensor) -> Tensor:
        """Return how much of the title's attention each piece gets: (b, heads, t), adding up to 1 over t."""
        return self.cross_attention.weights(*self._streams(title, body, mask), mask)

    def _streams(self, title: Tensor, body: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        return self.title_stream(title), spread(self.body_stream(body[mask]), mask)


def stream(inputs: int, hidden: int, dropout: float) -> nn.Sequential:
    """Return what each stream begins with: (..., inputs) -> (..., hidden)."""
    return nn.Sequential(nn.Linear(inputs, hidden), nn.LayerNorm(hidden), nn.GELU(), Dropout(dropout))


def classifier(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Return the head of the networks with cross-attention: (b, inputs) -> (b, outputs)."""
    return nn.Sequential(nn.Linear(inputs, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, outputs))


def fused(title: Tensor, pieces: Tensor, mask: Tensor, counts: Tensor | None) -> Tensor:
    """Return title (b, w), mean of the pieces (b, t, w; zeros where masked) and counts (b, c) side by side."""
    mean = pieces.sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)
    return torch.cat([title, mean] if counts is None else [title, mean, counts], dim=1)


def after_fusion(head: nn.Sequential) -> tuple[tuple[nn.Module, ...], ...]:
    """Return the levels of manifold mixup (Verma et al. 2019): the fused features, and the hidden state of the head.

    To mix what the first linear layer gives is to mix what it takes. Before the fusion there is no state of one size:
    bodies have different numbers of pieces.
    """
    return (head[0],), (head[-2],)


def check_counts(network: nn.Module, counts: Tensor | None) -> None:
    """Raise ValueError where label counts are missing, or given to a network that must not see them."""
    wanted = network.arguments["label_count"]
    if wanted and counts is None:
        raise ValueError("label_count: this network reads the number of labels; give it counts (b, 1)")
    if counts is not None and not wanted:
        raise ValueError("label_count: this network must not see the number of labels; leave the counts out")
