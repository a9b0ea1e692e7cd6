"""One training loop for every network: data on the device, batches of row numbers, early stopping, exact resume.

A training that was killed goes on at the border of an epoch and ends with the same bytes as one that was not: the
order of the rows and every random draw of an epoch follow from seed and epoch alone.
"""

import hashlib
import logging
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau

from stackstudy.devices import has_half_weights, in_bfloat16
from stackstudy.models import distributed
from stackstudy.models.batches import Input, cut, gather, lengths_of
from stackstudy.models.course import Course, Metric
from stackstudy.models.mixup import Mixup, set_dropout
from stackstudy.models.rates import LayerRates
from stackstudy.models.tokens import by_length
from stackstudy.runs import progress
from stackstudy.runs.key import code_hash

# Schedules of which every step has another learning rate; ``pct_start`` is the share of steps in which it rises.
CYCLES = {
    "onecycle": {"pct_start": 0.3},  # Smith & Topin 2019
    "linear": {"pct_start": 0.1, "anneal_strategy": "linear", "cycle_momentum": False},  # Devlin et al. 2019
}
LONG_EPOCH = 10.0  # seconds after which an epoch tells how far it has come
# The study does not say which plateau it used: half the learning rate after 3 epochs without a better metric.
PLATEAU_FACTOR, PLATEAU_EPOCHS = 0.5, 3


@dataclass(frozen=True)
class Options:
    """How a network is trained."""

    learning_rate: float
    weight_decay: float
    batch_size: int
    max_epochs: int
    patience: int | None  # epochs without a better validation metric before the end; None: all, and the last counts
    schedule: Literal["constant", "plateau", "onecycle", "linear"] = "constant"
    gradient_clip: float | None = None  # largest norm of all gradients together
    mixup: Mixup | None = None
    layer_rates: LayerRates | None = None  # for a network that tells its layers apart
    devices: int = 1  # processes that divide each batch among them, a GPU each, or all on the cores


@dataclass(frozen=True, eq=False)
class Data:
    """Inputs and targets of all questions, and the rows to learn from and to choose the epoch on."""

    inputs: tuple[Input, ...]  # of n questions, handed to the network in this order
    targets: Tensor  # (n, ...)
    train: Tensor  # int64 (r,)
    validation: Tensor  # int64 (v,)

    def on(self, device: str) -> "Data":
        """Return the same on another device."""
        inputs = tuple(each.to(device) for each in self.inputs)
        return Data(inputs, *(each.to(device) for each in (self.targets, self.train, self.validation)))

    @cached_property
    def mark(self) -> str:
        """Return a hash of it all; of what is mapped into memory, of its shape and 64 rows."""
        mark = hashlib.sha256()
        for each in (*self.inputs, self.targets, self.train, self.validation):
            for tensor in [each] if isinstance(each, Tensor) else each.content():
                mark.update(repr((tensor.shape, tensor.dtype, tensor.device.type)).encode())
                for part in tensor.split(1 << 16):  # so that a copy from the device stays small
                    mark.update(part.contiguous().cpu().numpy())
        return mark.hexdigest()


@dataclass(frozen=True, eq=False)
class Trained:
    """A network with the weights of its best epoch, and its course: a row per epoch."""

    model: nn.Module
    history: pl.DataFrame
    earlier_seconds: float  # of the calls before this one that it goes on from


def train(
    make: Callable[[], nn.Module],
    loss: nn.Module,
    data: Data,
    metric: Metric,
    options: Options,
    seed: int,
    folder: Path,
) -> Trained:
    """Train the network that `make` returns and give it back with the weights of its best epoch, as `options` have it.

    `loss` takes outputs and targets of a batch. `folder` keeps the state of the last epoch until the training is over,
    then its result, so that the same call goes on after a kill and does nothing when all is done; a call with other
    data, settings or code starts anew. ValueError: the loss or the metric is no longer a number, or there are fewer
    GPUs than `options` asks for.
    """
    torch.manual_seed(seed)
    model = make()
    mark = _fingerprint(model, loss, data, metric, options, seed)
    course = Course(metric, options.max_epochs, options.patience, seed, folder, mark).resume()
    earlier = course.seconds
    if not course.over and options.devices > 1:
        _check_devices(data.targets.device.type, options)
        kind = data.targets.device.type
        distributed.spawn(_fit_rank, options.devices, model, loss, data.on("cpu"), options, course, kind)
        course.resume()
    elif not course.over:
        _fit(_Training(model, loss, data, options, course), course)
        course.finish()
    model.load_state_dict(course.best)
    return Trained(model.eval(), pl.DataFrame(course.history), earlier)


@torch.inference_mode()
def predict(model: nn.Module, inputs: tuple[Input, ...], rows: Tensor, batch_size: int) -> np.ndarray:
    """Return the network's outputs for `rows` (r,) of `inputs`: float32 (r, ...)."""
    model, lengths = model.to(rows.device).eval(), lengths_of(inputs)
    order = torch.arange(len(rows)) if lengths is None else lengths[rows].argsort(descending=True, stable=True)
    outputs: list[Tensor] = []
    with _exactly(model, rows.device):
        for batch in rows[order].split(batch_size):
            outputs.append(model(*gather(inputs, batch)))
            progress.report("predicting", len(outputs), -(-len(rows) // batch_size))
    return torch.cat(outputs).float()[order.argsort()].cpu().numpy()


def _exactly(model: nn.Module, device: torch.device) -> torch.autocast:
    """Return the context of predictions: float32, in which no two are equal by rounding, whatever training is in.

    A network that has half weights itself cannot do without them: there both are mixed.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=has_half_weights(model))


def _in_bfloat16(model: nn.Module, device: torch.device | str) -> bool:
    """Tell whether `model` is trained in bfloat16: where the device is good at it, or its weights ask for it."""
    return in_bfloat16(device) or has_half_weights(model)


class _Training(LightningModule):
    """Loss, optimiser and validation, as Lightning wants them."""

    def __init__(self, model: nn.Module, loss: nn.Module, data: Data, options: Options, course: Course) -> None:
        super().__init__()
        self.model, self.loss, self.data, self.options, self.course = model, loss, data, options, course
        self.train_losses: list[Tensor] = []
        self.outputs: list[Tensor] = []
        self.found: dict[str, float] = {}  # losses and metric of the last epoch
        self.rate = options.learning_rate  # of this batch
        self.began = time.monotonic()  # this epoch
        self.mixup: Mixup | None = None  # of this epoch
        self.plateau: ReduceLROnPlateau | None = None

    def train_dataloader(self) -> "_Batches":
        return _Batches(self.data.train, self.options.batch_size, self._shuffled, 2 * self.options.devices)

    def val_dataloader(self) -> "_Batches":
        return _Batches(self.data.validation, self.options.batch_size, lambda rows: rows)

    def configure_optimizers(self) -> dict[str, Any]:
        options = self.options
        rates, weights = {"lr": options.learning_rate, "weight_decay": options.weight_decay}, self.model.parameters()
        if options.layer_rates:
            weights = options.layer_rates.groups(self.model, *rates.values())
        optimizer = torch.optim.AdamW(weights, **rates, fused=True)
        if options.schedule in CYCLES:
            steps, most = options.max_epochs * len(self.train_dataloader()), [g["lr"] for g in optimizer.param_groups]
            schedule = OneCycleLR(optimizer, most, total_steps=steps, **CYCLES[options.schedule])
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
        if options.schedule == "plateau":
            # Not handed to Lightning, which would step it after the checkpoint of the epoch is written.
            settings = {"factor": PLATEAU_FACTOR, "patience": PLATEAU_EPOCHS, "threshold": 0.0}
            self.plateau = ReduceLROnPlateau(optimizer, self.course.mode, **settings)
            for value in self.course.values():  # after a resume: it remembers what the epochs before have shown
                self.plateau.step(value)
        return {"optimizer": optimizer}

    def configure_gradient_clipping(self, *_: Any, **__: Any) -> None:
        if self.options.gradient_clip is not None:  # here, since Lightning refuses to clip for a fused optimiser
            nn.utils.clip_grad_norm_(self.model.parameters(), self.options.gradient_clip)

    def adapt(self, value: float) -> None:
        """Let the schedule answer to the validation metric of an epoch, before its checkpoint is written."""
        if self.plateau:
            self.plateau.step(value)

    def on_train_batch_start(self, _: Tensor, number: int) -> None:
        self.rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        if number == 0:  # not on_train_epoch_start, which Lightning leaves out in the first epoch after a resume
            torch.manual_seed(self._epoch_seed() + self.global_rank)
            self.train_losses.clear()
            self.began = time.monotonic()
            self._begin_phase()

    def training_step(self, batch: Tensor, _: int) -> Tensor:
        rows = distributed.share(batch, self.global_rank, self.options.devices)
        inputs, targets = gather(self.data.inputs, rows), self.data.targets[rows]
        if self.mixup:
            outputs, targets = self.mixup.outputs(self.model, inputs, targets)
        else:
            outputs = self.model(*inputs)
        loss = self.loss(outputs, targets)
        self.train_losses.append(loss.detach() * len(rows))
        return loss * distributed.weight(rows, batch, self.options.devices)

    def on_train_batch_end(self, outputs: dict[str, Tensor], _: Tensor, number: int) -> None:
        if time.monotonic() - self.began > LONG_EPOCH:
            stage = f"epoch {len(self.course.history) + 1}, seed {self.course.seed}"
            progress.report(stage, number + 1, len(self.train_dataloader()), loss=outputs["loss"].item())

    def validation_step(self, rows: Tensor, _: int) -> None:
        with _exactly(self.model, rows.device):
            self.outputs.append(self.model(*gather(self.data.inputs, rows)).float())

    def on_validation_epoch_end(self) -> None:
        outputs, targets = torch.cat(self.outputs), self.data.targets[self.data.validation]
        self.outputs.clear()
        metric = self.course.metric
        train_loss = self.trainer.strategy.reduce(torch.stack(self.train_losses).sum(), reduce_op="sum")
        self.found = {
            "train_loss": (train_loss / len(self.data.train)).item(),
            "validation_loss": self.loss(outputs, targets).item(),
            f"validation_{metric.name}": float(metric.of(outputs.cpu().numpy(), targets.cpu().numpy())),
        }

    def _begin_phase(self) -> None:
        """Have mixup in the first epochs, and another dropout after them."""
        mixup = self.options.mixup
        self.mixup = mixup if mixup and len(self.course.history) < mixup.epochs else None
        if mixup and not self.mixup:
            set_dropout(self.model, mixup.late_dropout)

    def _shuffled(self, rows: Tensor) -> Tensor:
        # On the CPU, so that the order is the same on every device.
        random = torch.Generator().manual_seed(self._epoch_seed())
        shuffled = rows[torch.randperm(len(rows), generator=random).to(rows.device)]
        lengths = lengths_of(self.data.inputs)
        return shuffled if lengths is None else by_length(shuffled, lengths, self.options.batch_size, random)

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
    least: int = 2

    def __len__(self) -> int:
        return len(cut(self.rows, self.size, self.least))

    def __iter__(self) -> Iterator[Tensor]:
        return iter(cut(self.order(self.rows), self.size, self.least))


def _check_devices(kind: str, options: Options) -> None:
    there = torch.cuda.device_count()
    if kind not in ("cuda", "cpu") or (kind == "cuda" and there < options.devices):
        raise ValueError(f"devices: {options.devices} are asked for, there are {there} GPUs and this is device {kind}")


def _fit_rank(
    rank: int, model: nn.Module, loss: nn.Module, data: Data, options: Options, course: Course, kind: str
) -> None:
    """Be one of the processes of a training; the first one tells how far it is, and leaves the result."""
    place = f"cuda:{rank}" if kind == "cuda" else kind
    with progress.silence() if rank else nullcontext():
        # Tensors come in memory that the processes share: good for what is read, but each learns weights of its own.
        _fit(_Training(deepcopy(model), deepcopy(loss), data.on(place), options, course), course)
    if rank == 0:
        course.finish()


def _fit(training: _Training, course: Course) -> None:
    device = training.data.targets.device.type
    torch.utils.deterministic.fill_uninitialized_memory = False  # nothing here reads what it did not write
    with _quiet():
        trainer = Trainer(
            accelerator={"cuda": "gpu"}.get(device, device),
            devices=training.options.devices,
            strategy="ddp" if training.options.devices > 1 else "auto",
            use_distributed_sampler=False,  # each process takes its share of a batch itself
            sync_batchnorm=device == "cuda" and training.options.devices > 1,
            precision="bf16-mixed" if _in_bfloat16(training.model, device) else "32-true",
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
    """Return a hash of all that decides the result: network and first weights, loss, data, settings, and their code."""
    code = code_hash(__name__, *(type(part).__module__ for part in (model, loss)), metric.of.__module__)
    in_half = _in_bfloat16(model, data.targets.device)
    about = (model, loss, metric.name, metric.mode, options, seed, data.mark, in_half, code)
    mark = hashlib.sha256(repr(about).encode())
    for name, value in (model.state_dict() | loss.state_dict(prefix="loss.")).items():
        mark.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    return mark.hexdigest()
