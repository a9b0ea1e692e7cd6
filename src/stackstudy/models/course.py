"""The course of a training: its history and best weights, when it is over, and what a resume needs."""

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from stackstudy.paths import replacing
from stackstudy.runs import progress

CHECKPOINT_SECONDS = 10.0  # of work that a kill may cost; the state is three times the network, an epoch often short


@dataclass(frozen=True)
class Metric:
    """What decides on the epoch: a function of the network's outputs and the targets on the validation rows.

    Without a mode it is written down and no more; then the lowest validation loss decides.
    """

    name: str
    of: Callable[[np.ndarray, np.ndarray], float]
    mode: str | None  # "max" or "min"


class Course(Callback):
    """History and best weights of a training; writes all that a resume needs at ends of epochs and says when to stop.

    Without `patience` all epochs are run, and the weights of the last one count as the best. `mark` tells trainings
    apart: only the state of one with the same mark is taken up.
    """

    def __init__(
        self, metric: Metric, max_epochs: int, patience: int | None, seed: int, folder: Path, mark: str
    ) -> None:
        self.metric, self.max_epochs, self.patience, self.seed, self.mark = metric, max_epochs, patience, seed, mark
        self.last, self.finished = folder / "last.ckpt", folder / "finished.pt"
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Tensor] = {}
        self.best_epoch = 0
        self.seconds = 0.0  # that all calls together have taken, up to the last epoch
        self._since = self._saved = time.monotonic()

    @property
    def over(self) -> bool:
        """Tell whether the last epoch was the last one, or the best one lies too far back."""
        epoch = len(self.history)
        impatient = self.patience is not None and epoch - self.best_epoch >= self.patience
        return epoch >= self.max_epochs or impatient

    @property
    def mode(self) -> str:
        """Return which values are better: max or min."""
        return self.metric.mode or "min"

    def values(self) -> list[float]:
        """Return what decides, the validation metric or loss, of each epoch so far."""
        column = f"validation_{self.metric.name if self.metric.mode else 'loss'}"
        return [row[column] for row in self.history]

    def resume(self) -> "Course":
        """Take up what an earlier call of the same training left; remove what another one left."""
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
        self.last.unlink(missing_ok=True)

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("mark", "history", "best", "best_epoch", "seconds")}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.history, self.best, self.best_epoch = state["history"], state["best"], state["best_epoch"]
        self.seconds = state["seconds"]

    def on_train_epoch_end(self, trainer: Trainer, training: LightningModule) -> None:
        found, epoch = trainer.strategy.broadcast(training.found), len(self.history) + 1  # all processes decide alike
        if not all(map(math.isfinite, found.values())):
            raise ValueError(f"training diverged in epoch {epoch} ({found}): lower the learning rate")
        self.history.append({"epoch": epoch, **found, "learning_rate": training.rate})
        if self._is_best(epoch):
            self.best_epoch = epoch
            self.best = {name: value.detach().cpu().clone() for name, value in training.model.state_dict().items()}
        self.seconds, self._since = self.seconds + time.monotonic() - self._since, time.monotonic()
        trainer.should_stop = self.over
        training.adapt(self.values()[-1])
        if trainer.strategy.broadcast(time.monotonic() - self._saved >= CHECKPOINT_SECONDS):
            with replacing(self.last) if trainer.is_global_zero else nullcontext(self.last) as fresh:
                trainer.save_checkpoint(fresh)
            self._saved = time.monotonic()
        progress.report(f"training, seed {self.seed}", epoch, self.max_epochs, **found)

    def _is_best(self, epoch: int) -> bool:
        values = self.values()
        return self.patience is None or values.index({"max": max, "min": min}[self.mode](values)) == epoch - 1
