"""One training loop for every network: data on the device, batches of row numbers, early stopping, exact resume.

A training that was killed goes on at the border of an epoch and ends with the same bytes as one that was not: the
order of the rows and every random draw of an epoch follow from seed and epoch alone.
"""

import hashlib
import logging
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from stackstudy.paths import replacing
from stackstudy.runs import progress


@dataclass(frozen=True)
class Options:
    """How a network is trained."""

    learning_rate: float
    weight_decay: float
    batch_size: int
    max_epochs: int
    patience: int  # epochs without a better validation metric before the end


@dataclass(frozen=True, eq=False)
class Data:
    """Inputs and targets of all questions, and the rows to learn from and to choose the epoch on."""

    inputs: tuple[Tensor, ...]  # each (n, ...), handed to the network in this order
    targets: Tensor  # (n, ...)
    train: Tensor  # int64 (r,)
    validation: Tensor  # int64 (v,)


@dataclass(frozen=True)
class Metric:
    """What decides on the epoch: a function of the network's outputs and the targets on the validation rows."""

    name: str
    of: Callable[[np.ndarray, np.ndarray], float]
    mode: str  # "max" or "min"


@dataclass(frozen=True, eq=False)
class Trained:
    """A network with the weights of its best epoch, and its course: a row per epoch."""

    model: nn.Module
    history: pl.DataFrame


def to_device(array: np.ndarray, device: str) -> Tensor:
    """Return `array` (n, ...), often a float16 memmap, as a tensor on the device: half on cuda, else float32."""
    dtype = torch.float16 if device.startswith("cuda") else torch.float32
    return torch.from_numpy(np.array(array)).to(device=device, dtype=dtype)


def train(
    make: Callable[[], nn.Module],
    loss: nn.Module,
    data: Data,
    metric: Metric,
    options: Options,
    seed: int,
    folder: Path,
) -> Trained:
    """Train the network that `make` returns and give it back with the weights of its best epoch.

    `loss` takes outputs and targets of a batch. `folder` keeps the state of the last epoch until the training is over,
    then its result, so that the same call goes on after a kill and does nothing when all is done; a call with other
    data or settings starts anew. ValueError: the loss or the metric is no longer a number.
    """
    torch.manual_seed(seed)
    model = make()
    mark = _fingerprint(model, loss, data, metric, options, seed)
    course = _Course(metric, options, seed, folder, mark)
    if not course.resume().over:
        _fit(_Training(model, loss, data, course), course)
        course.finish()
    model.load_state_dict(course.best)
    return Trained(model.eval(), pl.DataFrame(course.history))


@torch.inference_mode()
def predict(model: nn.Module, inputs: tuple[Tensor, ...], rows: Tensor, batch_size: int) -> np.ndarray:
    """Return the network's outputs for `rows` (r,) of `inputs`: float32 (r, ...)."""
    device = inputs[0].device
    model = model.to(device).eval()
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        outputs = [model(*(each[batch] for each in inputs)) for batch in rows.split(batch_size)]
    return torch.cat(outputs).float().cpu().numpy()


class _Training(LightningModule):
    """Loss, optimiser and validation, as Lightning wants them."""

    def __init__(self, model: nn.Module, loss: nn.Module, data: Data, course: "_Course") -> None:
        super().__init__()
        self.model, self.loss, self.data, self.course, self.options = model, loss, data, course, course.options
        self.train_losses: list[Tensor] = []
        self.outputs: list[Tensor] = []
        self.found: dict[str, float] = {}  # losses and metric of the last epoch

    def train_dataloader(self) -> "_Batches":
        return _Batches(self.data.train, self.options.batch_size, self._shuffled)

    def val_dataloader(self) -> "_Batches":
        return _Batches(self.data.validation, self.options.batch_size, lambda rows: rows)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        options = self.options
        return torch.optim.AdamW(self.model.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay)

    def on_train_batch_start(self, _: Tensor, number: int) -> None:
        if number == 0:  # not on_train_epoch_start, which Lightning leaves out in the first epoch after a resume
            torch.manual_seed(self._epoch_seed())
            self.train_losses.clear()

    def training_step(self, rows: Tensor, _: int) -> Tensor:
        loss = self.loss(self._outputs(rows), self.data.targets[rows])
        self.train_losses.append(loss.detach() * len(rows))
        return loss

    def validation_step(self, rows: Tensor, _: int) -> None:
        self.outputs.append(self._outputs(rows).float())

    def on_validation_epoch_end(self) -> None:
        outputs, targets = torch.cat(self.outputs), self.data.targets[self.data.validation]
        self.outputs.clear()
        metric = self.course.metric
        self.found = {
            "train_loss": (torch.stack(self.train_losses).sum() / len(self.data.train)).item(),
            "validation_loss": self.loss(outputs, targets).item(),
            f"validation_{metric.name}": float(metric.of(outputs.cpu().numpy(), targets.cpu().numpy())),
        }

    def _outputs(self, rows: Tensor) -> Tensor:
        return self.model(*(each[rows] for each in self.data.inputs))

    def _shuffled(self, rows: Tensor) -> Tensor:
        # On the CPU, so that the order is the same on every device.
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(self._epoch_seed()))
        return rows[order.to(rows.device)]

    def _epoch_seed(self) -> int:
        # By our own count: after a resume, Lightning's is not yet set when it asks for the first batches.
        source = np.random.SeedSequence((self.course.seed, len(self.course.history)))
        return int(source.generate_state(1, np.uint64)[0])


@dataclass(frozen=True, eq=False)
class _Batches:
    """Row numbers in the order of this epoch, cut into batches: what Lightning takes for a loader."""

    rows: Tensor
    size: int
    order: Callable[[Tensor], Tensor]

    def __len__(self) -> int:
        return -(-len(self.rows) // self.size)

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.order(self.rows).split(self.size))


class _Course(Callback):
    """History and best weights of a training; writes all that a resume needs after each epoch and says when to stop."""

    def __init__(self, metric: Metric, options: Options, seed: int, folder: Path, mark: str) -> None:
        self.metric, self.options, self.seed, self.mark = metric, options, seed, mark
        self.last, self.finished = folder / "last.ckpt", folder / "finished.pt"
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Tensor] = {}
        self.best_epoch = 0

    @property
    def over(self) -> bool:
        """Tell whether the last epoch was the last one, or the best one lies too far back."""
        epoch = len(self.history)
        return epoch >= self.options.max_epochs or epoch - self.best_epoch >= self.options.patience

    def resume(self) -> "_Course":
        """Take up what an earlier call with the same data and settings left; remove what another one left."""
        for path in (self.finished, self.last):
            state = torch.load(path, map_location="cpu", weights_only=True) if path.exists() else None
            if state and (mine := state["callbacks"][self.state_key])["mark"] == self.mark:
                self.load_state_dict(mine)
                break
            path.unlink(missing_ok=True)
        return self

    def finish(self) -> None:
        """Keep the result instead of the state of the optimiser, which is three times as large."""
        with replacing(self.finished) as fresh:
            torch.save({"callbacks": {self.state_key: self.state_dict()}}, fresh)
        self.last.unlink()

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("mark", "history", "best", "best_epoch")}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.history, self.best, self.best_epoch = state["history"], state["best"], state["best_epoch"]

    def on_train_epoch_end(self, trainer: Trainer, training: _Training) -> None:
        found, epoch = training.found, len(self.history) + 1
        if not all(map(math.isfinite, found.values())):
            raise ValueError(f"training diverged in epoch {epoch} ({found}): lower the learning rate")
        self.history.append({"epoch": epoch, **found, "learning_rate": trainer.optimizers[0].param_groups[0]["lr"]})
        if self._is_best(epoch):
            self.best_epoch = epoch
            self.best = {name: value.detach().cpu().clone() for name, value in training.model.state_dict().items()}
        trainer.should_stop = self.over
        with replacing(self.last) as fresh:
            trainer.save_checkpoint(fresh)
        progress.report(f"training, seed {self.seed}", epoch, self.options.max_epochs, **found)

    def _is_best(self, epoch: int) -> bool:
        values = [row[f"validation_{self.metric.name}"] for row in self.history]
        return values.index(max(values) if self.metric.mode == "max" else min(values)) == epoch - 1


def _fit(training: _Training, course: _Course) -> None:
    device = training.data.targets.device.type
    with _quiet():
        trainer = Trainer(
            accelerator={"cuda": "gpu"}.get(device, device),
            devices=1,
            precision="bf16-mixed" if device == "cuda" else "32-true",
            max_epochs=training.options.max_epochs,
            callbacks=[course],
            deterministic="warn",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            default_root_dir=course.last.parent,
        )
        trainer.fit(training, ckpt_path=course.last if course.last.exists() else None, weights_only=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's notices about hardware, products and its own code out of the notebooks; its warnings stay."""
    log = logging.getLogger("lightning.pytorch")
    before = log.level
    log.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r".*LeafSpec")
            yield
    finally:
        log.setLevel(before)


def _fingerprint(model: nn.Module, loss: nn.Module, data: Data, metric: Metric, options: Options, seed: int) -> str:
    """Return a hash of all that decides the result; of the large arrays, shape and 64 rows."""
    mark = hashlib.sha256(repr((model, loss, metric.name, metric.mode, options, seed)).encode())
    for tensor in (*data.inputs, data.targets):
        some = tensor[:: -(-len(tensor) // 64)]
        mark.update(repr((tensor.shape, tensor.dtype, tensor.device.type)).encode() + some.cpu().numpy().tobytes())
    for rows in (data.train, data.validation):
        mark.update(rows.cpu().numpy().tobytes())
    return mark.hexdigest()
