"""Dropout whose random numbers do not hold up the products of a network on a CPU."""

import numpy as np
import torch
from torch import Tensor, nn

LARGE = 1 << 20  # numbers; smaller inputs are left to PyTorch, since the committed results rest on its draws
STEPS = 1 << 16  # as many different random numbers as two bytes hold


class Dropout(nn.Dropout):
    """`nn.Dropout`; on a CPU, of each number of a `LARGE` input two random bytes decide instead of PyTorch's eight.

    They are of SFC64 (Doty-Humphrey 2010), seeded by PyTorch's generator. The rate is rounded to a multiple of 2^-16,
    and what is kept is scaled by the rounded rate, so that the mean stays what it was.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return `input` (...) with a share `p` of zeros and the rest over ``1 - p`` while training, as it is after."""
        dropped = round(self.p * STEPS)
        plain = input.numel() < LARGE or dropped in (0, STEPS)
        if plain or not self.training or input.device.type != "cpu":
            return super().forward(input)
        seed = int(torch.randint(1 << 62, ()))
        drawn = np.random.SFC64(seed).random_raw(-(-input.numel() // 4)).view(np.uint16)[: input.numel()]
        kept = torch.from_numpy(drawn >= dropped).view(input.shape)
        return input * kept.to(input.dtype).mul_(STEPS / (STEPS - dropped))
