"""The study's networks and training loop in plain PyTorch: a DataLoader, one tensor an item, a step a small batch.

Left out is the number of labels among the inputs, which is a leak and costs nothing.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader, Dataset

from stackstudy.models.losses import AsymmetricLoss
from stackstudy.models.mixup import draw


class Questions(Dataset):
    """Rows of files as tensors, one item at a time: what a network reads, and the labels (k,) last."""

    def __init__(self, folder: Path, files: tuple[str, ...], rows: range) -> None:
        self.arrays, self.rows = [np.load(folder / f"{name}.npy", mmap_mode="r") for name in (*files, "labels")], rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, item: int) -> tuple[Tensor, ...]:
        return tuple(torch.from_numpy(np.array(array[self.rows[item]])) for array in self.arrays)


def batches(questions: Questions, size: int, seed: int) -> DataLoader:
    """Return shuffled batches; as ours, without the rest that makes no whole batch."""
    random = torch.Generator().manual_seed(seed)
    return DataLoader(questions, batch_size=size, shuffle=True, drop_last=True, generator=random)


def epoch(
    network: nn.Module,
    loader: DataLoader,
    loss: nn.Module,
    optimizer: torch.optim.Optimizer,
    schedule: LRScheduler,
    mixup_alpha: float | None = None,
) -> Iterator[float]:
    """Train for one epoch and yield the loss of each step; gradients are clipped to norm 1."""
    network.train()
    for *found, labels in loader:
        inputs, targets = [as_input(each) for each in found], labels.float()
        if mixup_alpha is not None:
            blend = draw(mixup_alpha, targets)
            inputs, targets = [blend(each) for each in inputs], blend(targets)
        optimizer.zero_grad()
        value = loss(network(*inputs), targets)
        value.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        yield value.item()


@torch.no_grad()
def outputs(network: nn.Module, loader: DataLoader) -> tuple[np.ndarray, np.ndarray]:
    """Return logits and labels (n, k) of all items."""
    network.eval()
    found = [(network(*map(as_input, inputs)), labels) for *inputs, labels in loader]
    return tuple(torch.cat(each).numpy() for each in zip(*found, strict=True))


def as_input(values: Tensor) -> Tensor:
    """Return vectors as float32; a mask stays one."""
    return values if values.dtype == torch.bool else values.float()


def asymmetric_loss() -> nn.Module:
    return AsymmetricLoss(gamma_negative=2.0, gamma_positive=1.0)


def stream(inputs: int, hidden: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.LayerNorm(hidden), nn.GELU(), nn.Dropout(dropout))


def head(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, outputs))


class CrossAttention(nn.Module):
    """DSF-CrossAttn: the title asks the one vector of the body."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.title, self.body = stream(inputs, hidden, 0.5), stream(inputs, hidden, 0.5)
        self.attention = nn.MultiheadAttention(hidden, 8, batch_first=True)
        self.norm, self.head = nn.LayerNorm(hidden), head(2 * hidden, hidden, outputs)

    def forward(self, title: Tensor, body: Tensor) -> Tensor:
        title, body = self.title(title), self.body(body)
        answer, _ = self.attention(title[:, None], body[:, None], body[:, None])
        return self.head(torch.cat([self.norm(title + answer[:, 0]), body], dim=1))


class SelfAttention(nn.Module):
    """DSF-MHSA: title and body attend to each other."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.title, self.body = stream(inputs, hidden, 0.4), stream(inputs, hidden, 0.4)
        self.attention = nn.MultiheadAttention(hidden, 8, batch_first=True)
        self.norm = nn.LayerNorm(hidden)
        self.head = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.GELU(), nn.Linear(hidden, outputs))

    def forward(self, title: Tensor, body: Tensor) -> Tensor:
        tokens = torch.stack([self.title(title), self.body(body)], dim=1)
        return self.head(self.norm(tokens + self.attention(tokens, tokens, tokens)[0]).flatten(1))


class Sequence(nn.Module):
    """Sequence-aware DSF: convolution and self-attention over the body, which the title then asks."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.title = stream(inputs, hidden, 0.5)
        self.convolution, self.normed = nn.Conv1d(inputs, hidden, 3, padding=1), nn.BatchNorm1d(hidden)
        self.encoder = nn.TransformerEncoderLayer(hidden, 8, 4 * hidden, 0.5, batch_first=True)
        self.attention = nn.MultiheadAttention(hidden, 8, batch_first=True)
        self.norm, self.head, self.dropout = nn.LayerNorm(hidden), head(2 * hidden, hidden, outputs), nn.Dropout(0.5)

    def forward(self, title: Tensor, body: Tensor, mask: Tensor) -> Tensor:
        title, windows = self.title(title), self.convolution(body.transpose(1, 2))
        body = self.dropout(self.normed(windows).relu()).transpose(1, 2)
        body = self.encoder(body, src_key_padding_mask=~mask)
        answer, _ = self.attention(title[:, None], body, body, key_padding_mask=~mask)
        mean = (body * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)
        return self.head(torch.cat([self.norm(title + answer[:, 0]), mean], dim=1))


def body_mlp(inputs: int, hidden: tuple[int, ...], outputs: int) -> nn.Sequential:
    """Return the body MLP."""
    layers: list[nn.Module] = []
    for width, wider in zip([inputs, *hidden], hidden, strict=False):
        layers += [nn.Linear(width, wider), nn.ReLU(), nn.Dropout(0.3)]
    return nn.Sequential(*layers, nn.Linear(hidden[-1], outputs))
