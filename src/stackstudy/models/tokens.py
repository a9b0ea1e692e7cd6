"""Texts as sequences of tokens: what a network reads that goes through the words themselves."""

from collections.abc import Iterator

import torch
from torch import Tensor

POOL = 50  # batches of which the rows are sorted by length


class TokenSequences:
    """Token sequences of different lengths, end to end in one tensor on the device."""

    def __init__(self, ids: Tensor, lengths: Tensor) -> None:
        """Take all token ids, int32 (total,), and the lengths, int64 (n,). ValueError: they do not fit."""
        if (lengths < 1).any() or int(lengths.sum()) != len(ids):
            raise ValueError(
                f"{len(lengths)} sequences of {int(lengths.sum())} tokens do not make up {len(ids)} tokens"
            )
        self.ids, self.lengths = ids, lengths
        self.starts = lengths.cumsum(0) - lengths

    def to(self, device: torch.device | str) -> "TokenSequences":
        """Return the same on another device."""
        return TokenSequences(self.ids.to(device), self.lengths.to(device))

    def __getitem__(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return token ids (b, t) and mask (b, t) of `rows` (b,), int64 both; t is the longest of the batch.

        Sequences begin at 0; after their end come id 0 and mask 0.
        """
        lengths = self.lengths[rows, None]
        places = torch.arange(int(lengths.max()), device=rows.device)
        mask = places < lengths
        ids = self.ids[(self.starts[rows, None] + places).where(mask, 0)]
        return ids.long().masked_fill(~mask, 0), mask.long()

    def content(self) -> Iterator[Tensor]:
        """Yield all that decides what a network reads."""
        yield from (self.ids, self.lengths)


def by_length(rows: Tensor, lengths: Tensor, size: int, random: torch.Generator) -> Tensor:
    """Return shuffled `rows` (r,) so that each `size` of them, a batch, have about the same of `lengths` (n,).

    Of `POOL` batches at a time the rows are sorted, then all full batches are shuffled. A batch has as many questions
    as any other, and all count alike, which they would not if it had as many tokens.
    """
    pools = [pool[lengths[pool].argsort(descending=True, stable=True)] for pool in rows.split(POOL * size)]
    batches = torch.cat(pools).split(size)
    full = len(rows) // size
    order = torch.randperm(full, generator=random).tolist()
    return torch.cat([*(batches[place] for place in order), *batches[full:]])
