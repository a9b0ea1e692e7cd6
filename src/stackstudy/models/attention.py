"""Attention over pieces of a body: many or few, with padding that is neither seen nor multiplied.

Tokens are (b, t, w) with a mask (b, t) of the r real ones; maps of single tokens run on ``tokens[mask]`` (r, w) alone.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class CrossAttention(nn.Module):
    """Multi-head attention (Vaswani et al. 2017, section 3.2) of one query to many tokens, at the price of one token.

    Instead of projecting each token to a key and a value, it carries the query over to the tokens' space and the sum of
    tokens back from it (DeepSeek-V2, 2024, section 2.1.2): the same function, by another order of multiplication.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = _whole_heads(width, heads)
        self.query = nn.Linear(width, width)
        # No biases: that of the keys would shift all scores alike, that of the values is one with the last layer's.
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width)
        self.scale = (width // heads) ** -0.5

    def forward(self, query: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        """Return what `query` (b, w) gets from `tokens` (b, t, w) under `mask` (b, t): (b, w); 0 if it masks all."""
        seen = F.scaled_dot_product_attention(
            self._carried(query),  # (b, heads, w): to the tokens, each head is a query of its own
            tokens,
            tokens,
            _visible(mask)[:, None],
            scale=self.scale,
        )  # (b, heads, w)
        value = self.value.weight.unflatten(0, (self.heads, -1))  # (heads, w / heads, w)
        return self.out(torch.einsum("bhw,hdw->bhd", seen, value).flatten(1)) * mask.any(dim=1, keepdim=True)

    def weights(self, query: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        """Return the weight of each token in the sum: (b, heads, t), adding up to 1 over t; 0 where masked."""
        scores = self._carried(query) @ tokens.transpose(1, 2) * self.scale
        mask = mask[:, None]
        return scores.masked_fill(~mask, -torch.inf).softmax(dim=2).where(mask, 0)

    def extra_repr(self) -> str:
        return f"heads={self.heads}"

    def _carried(self, query: Tensor) -> Tensor:
        """Return the query of each head in the space of the tokens: (b, heads, w)."""
        query = self.query(query).unflatten(1, (self.heads, -1))  # (b, heads, w / heads)
        return torch.einsum("bhd,hdw->bhw", query, self.key.weight.unflatten(0, (self.heads, -1)))


class SelfAttention(nn.Module):
    """Multi-head attention of tokens to each other."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = _whole_heads(width, heads)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Return what each real one of `tokens` (r, w) gets under `mask` (b, t): (r, w), in the same order."""
        projected = spread(self.query_key_value(tokens), mask).unflatten(2, (3, self.heads, -1))
        query, key, value = projected.permute(2, 0, 3, 1, 4)  # each (b, heads, t, w / heads)
        seen = F.scaled_dot_product_attention(query, key, value, _visible(mask)[:, None, None])
        return self.out(seen.transpose(1, 2)[mask].flatten(1))

    def extra_repr(self) -> str:
        return f"heads={self.heads}"


class EncoderLayer(nn.Module):
    """Self-attention and a feed-forward network, as `nn.TransformerEncoderLayer` but without work on padding.

    Dropout is on what either adds and between the feed-forward layers, not on the attention weights.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.self_attention = SelfAttention(width, heads)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, 4 * width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(4 * width, width)
        )
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Return the real `tokens` (r, w) under `mask` (b, t) after they met each other: (r, w)."""
        tokens = self.norms[0](tokens + self.dropout(self.self_attention(tokens, mask)))
        return self.norms[1](tokens + self.dropout(self.feed_forward(tokens)))


def spread(real: Tensor, mask: Tensor) -> Tensor:
    """Return `real` (r, w) at the true places of `mask` (b, t), zeros elsewhere: (b, t, w). Inverse of ``[mask]``."""
    tokens = real.new_zeros(*mask.shape, real.shape[1])
    tokens[mask] = real
    return tokens


def _visible(mask: Tensor) -> Tensor:
    """Return `mask` (b, t), but all true in a row of padding: to some of torch's kernels, a softmax of nothing is NaN.

    What such a row sees has to be dropped after.
    """
    return mask | ~mask.any(dim=1, keepdim=True)


def _whole_heads(width: int, heads: int) -> int:
    """Return `heads`. ValueError: they cannot share `width` evenly."""
    if width % heads:
        raise ValueError(f"hidden: {width} is not a multiple of the {heads} attention heads")
    return heads
