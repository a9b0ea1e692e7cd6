"""Attention by label: each label has a query of its own and looks at the title and the pieces of the body."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stackstudy.models.attention import spread
from stackstudy.models.dsf import stream


class LabelAttention(nn.Module):
    """What each label gets from title and body, weighed by its own vector (CAML; Mullenbach et al. 2018, section 2.2).

    The queries start from vectors of the labels, as in LSAN (Xiao et al. 2019, section 2.2.2), so that a label knows
    from the first step on where its name stands. Title and pieces pass streams of their own first.
    """

    def __init__(
        self, inputs: int, hidden: int, outputs: int, dropout: float, label_vectors: Tensor | None = None
    ) -> None:
        """Take the `label_vectors` (outputs, inputs); without them, those of a saved state are to follow."""
        super().__init__()
        self.arguments = {"inputs": inputs, "hidden": hidden, "outputs": outputs, "dropout": dropout}
        self.title_stream = stream(inputs, hidden, dropout)
        self.body_stream = stream(inputs, hidden, dropout)
        self.label_vectors = nn.Parameter(torch.zeros(outputs, inputs) if label_vectors is None else label_vectors)
        self.query_stream = nn.Linear(inputs, hidden)
        self.weights = nn.Parameter(torch.empty(outputs, hidden))
        self.biases = nn.Parameter(torch.zeros(outputs))
        self.seen = nn.Identity()  # where what the labels see can be mixed
        nn.init.xavier_uniform_(self.weights)
        self.scale = hidden**-0.5

    def forward(self, title: Tensor, body: Tensor, mask: Tensor) -> Tensor:
        """Return logits (b, outputs) for title (b, inputs), body (b, t, inputs) and mask (b, t)."""
        tokens, present = self._tokens(title, body, mask)  # (b, 1 + t, hidden), (b, 1 + t)
        seen = self.seen(self._attention(tokens, present) @ tokens)  # (b, outputs, hidden)
        return (seen * self.weights).sum(dim=2) + self.biases

    def attention(self, title: Tensor, body: Tensor, mask: Tensor) -> Tensor:
        """Return how much of each label's attention the title and each piece get: (b, outputs, 1 + t)."""
        return self._attention(*self._tokens(title, body, mask))

    def mixing_points(self) -> tuple[tuple[nn.Module, ...], ...]:
        """Return the modules whose outputs manifold mixup may mix."""
        return ((self.seen,),)

    def _tokens(self, title: Tensor, body: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        pieces = spread(self.body_stream(body[mask]), mask)
        tokens = torch.cat([self.title_stream(title)[:, None], pieces], dim=1)
        return tokens, F.pad(mask, (1, 0), value=True)  # the title is always there

    def _attention(self, tokens: Tensor, present: Tensor) -> Tensor:
        scores = self.query_stream(self.label_vectors) @ tokens.transpose(1, 2) * self.scale  # (b, outputs, 1 + t)
        return scores.masked_fill(~present[:, None], -torch.inf).softmax(dim=2)
