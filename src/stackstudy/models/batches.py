"""What networks read, by row number: vectors on the device, bodies as lists of vectors, and rows cut into batches.

A body as a list of vectors comes as pieces (b, t, d), zeros where it has fewer than t, and a mask (b, t) of the real
ones; t is the same for all batches.
"""

import mmap
import warnings
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from stackstudy.models.tokens import TokenSequences


class RaggedPieces:
    """Lists of different lengths, end to end in one tensor on the device: the chunks of bodies."""

    def __init__(self, vectors: Tensor, offsets: Tensor) -> None:
        """Take all pieces (total, d); list i is ``vectors[offsets[i]:offsets[i + 1]]``, offsets being int64 (n + 1,).

        ValueError: they do not fit, values are missing, or every list is empty.
        """
        lengths = offsets.diff()
        if offsets[0] != 0 or offsets[-1] != len(vectors) or (lengths < 0).any():
            found = f"offsets from {int(offsets[0])} to {int(offsets[-1])}"
            raise ValueError(f"{found} do not cut {len(vectors)} vectors into lists, one after the other")
        if not len(vectors):
            raise ValueError("every list is empty: there is nothing to attend to")
        if (wrong := (~torch.stack(vectors.aminmax(dim=1)).isfinite().all(dim=0)).nonzero()).numel():
            row = int(torch.searchsorted(offsets, wrong[0], right=True)) - 1
            raise ValueError(f"missing or infinite values in {len(wrong)} vectors, the first is one of row {row}")
        self.vectors, self.offsets = vectors, offsets
        self.places = torch.arange(int(lengths.max()), device=vectors.device)

    def __getitem__(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return pieces (b, t, d) and mask (b, t) of `rows` (b,)."""
        places = self.offsets[rows, None] + self.places
        mask = places < self.offsets[rows + 1, None]
        pieces = self.vectors[places.where(mask, 0)].to(precision(self.vectors.device))
        return pieces.masked_fill(~mask[..., None], 0), mask

    def to(self, device: torch.device | str) -> "RaggedPieces":
        """Return the same on another device."""
        return RaggedPieces(self.vectors.to(device), self.offsets.to(device))

    @property
    def dimension(self) -> int:
        return self.vectors.shape[1]

    def content(self) -> Iterator[Tensor]:
        """Yield all that decides what a network reads."""
        yield from (self.vectors, self.offsets)


class MappedPieces:
    """Lists of a fixed length in a file, too large for the device: the tokens of bodies. Only batches are read."""

    def __init__(self, vectors: np.ndarray, mask: np.ndarray, device: torch.device | str) -> None:
        """Take pieces (n, t, d), a memmap, and the mask (n, t) of the real ones. ValueError: their shapes differ."""
        if vectors.ndim != 3 or mask.shape != vectors.shape[:2] or mask.dtype != bool:
            raise ValueError(f"vectors {vectors.shape} do not go with the {mask.dtype} mask {mask.shape}")
        self.vectors, self.mask, self.device = vectors, np.array(mask), torch.device(device)

    def __getitem__(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return pieces (b, t, d) and mask (b, t) of `rows` (b,). ValueError, naming the row: values are missing."""
        numbers = rows.cpu().numpy()
        vectors, mask = np.asarray(self.vectors[numbers]), self.mask[numbers]
        if (wrong := (~np.isfinite(vectors).all(axis=2) & mask).any(axis=1)).any():
            raise ValueError(
                f"missing or infinite values in the pieces of row {numbers[wrong][0]}: embed the questions again"
            )
        pieces = torch.from_numpy(vectors).to(self.device).to(precision(self.device))
        there = torch.from_numpy(mask).to(self.device)
        return pieces.masked_fill(~there[..., None], 0), there

    def __reduce__(self) -> tuple:
        """Let another process map the file as well, instead of being sent what is in it."""
        if not isinstance(getattr(self.vectors, "base", None), mmap.mmap):
            return MappedPieces, (self.vectors, self.mask, self.device)
        file = (self.vectors.filename, self.vectors.dtype, "r", self.vectors.offset, self.vectors.shape)
        return _mapped_again, (file, self.mask, self.device)

    def to(self, device: torch.device | str) -> "MappedPieces":
        """Return the same for another device."""
        return MappedPieces(self.vectors, self.mask, device)

    @property
    def dimension(self) -> int:
        return self.vectors.shape[2]

    def content(self) -> Iterator[Tensor]:
        """Yield the mask, the shape and the pieces of 64 rows: the file is not read as a whole."""
        yield from (torch.from_numpy(self.mask), torch.tensor(self.vectors.shape))
        yield torch.from_numpy(np.array(self.vectors[:: -(-len(self.vectors) // 64)]))


def _mapped_again(file: tuple, mask: np.ndarray, device: torch.device) -> MappedPieces:
    return MappedPieces(np.memmap(*file), mask, device)


Input = Tensor | RaggedPieces | MappedPieces | TokenSequences


def gather(inputs: Iterable[Input], rows: Tensor) -> tuple[Tensor, ...]:
    """Return what a network takes for `rows` (b,): a tensor (b, ...) per tensor, else pieces or token ids, and mask."""
    found: list[Tensor] = []
    for each in inputs:
        batch = each[rows]
        found += [batch.to(precision(batch.device))] if isinstance(batch, Tensor) else batch
    return tuple(found)


def lengths_of(inputs: Iterable[Input]) -> Tensor | None:
    """Return the lengths (n,) of the token sequences among the inputs, None if there are none: no batch is padded."""
    return next((each.lengths for each in inputs if isinstance(each, TokenSequences)), None)


def cut(rows: Tensor, size: int, least: int = 2) -> list[Tensor]:
    """Cut `rows` (r,) into batches of `size`, of which the last one may be smaller.

    Fewer than `least` rows that are left over join the batch before them: batch normalisation has no variance of one.
    """
    batches = list(rows.split(size))
    if len(batches) > 1 and len(batches[-1]) < least:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def precision(device: torch.device | str) -> torch.dtype:
    """Return the type of the numbers that networks read: that in which products are computed here and now."""
    kind = torch.device(device).type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else torch.float32


def to_device(array: np.ndarray, device: str) -> Tensor:
    """Return `array` (n, ...), often a float16 memmap, as a tensor on the device; `gather` converts what it reads.

    On a CPU the tensor is the array itself, so that a mapped file stays one; neither may be written to.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(array).to(device)
