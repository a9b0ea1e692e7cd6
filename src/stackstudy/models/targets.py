"""What a system learns in place of a score, and the way back."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from stackstudy.evaluation.scores import inverse_signed_log, signed_log


@dataclass(frozen=True)
class ScoreTarget:
    """Scores, or their signed logs, less a mean and in units of a standard deviation."""

    log: bool
    mean: float
    deviation: float  # 0 where all are equal: then they are what is predicted
    low: float  # least and greatest of the training rows
    high: float

    @classmethod
    def of(cls, scores: np.ndarray, log: bool) -> Self:
        """Return the target that training scores (r,) make, with their mean and deviation.

        So a network begins at their mean, and a learning rate that suits one corpus suits another.
        """
        values = signed_log(scores) if log else np.asarray(scores, dtype=np.float64)
        return cls(log, float(values.mean()), float(values.std()), float(values.min()), float(values.max()))

    @classmethod
    def plain(cls, scores: np.ndarray, log: bool) -> Self:
        """Return the target that training scores (r,) make as they are, or as signed logs."""
        return replace(cls.of(scores, log), mean=0.0, deviation=1.0)

    def learned(self, scores: np.ndarray) -> np.ndarray:
        """Return what is to be put out for scores (n,): float32 (n,)."""
        values = signed_log(scores) if self.log else scores
        return ((values - self.mean) / (self.deviation or 1)).astype(np.float32)

    def values(self, outputs: np.ndarray) -> np.ndarray:
        """Return the scores or signed logs, float64 (n,), for outputs (n,).

        Logs are no lower or higher than those of the training scores: a network or a line runs on outside of what it
        was trained on, where the exponential makes millions of it.
        """
        values = self.mean + self.deviation * np.asarray(outputs, dtype=np.float64)
        return values.clip(self.low, self.high) if self.log else values

    def scores(self, outputs: np.ndarray) -> np.ndarray:
        """Return the scores, float64 (n,), for outputs (n,)."""
        return inverse_signed_log(self.values(outputs)) if self.log else self.values(outputs)

    def rmse(self, outputs: np.ndarray, learned: np.ndarray) -> float:
        """Return the RMSE of outputs in votes, given what they should have been."""
        return float(np.sqrt(np.mean((self.scores(outputs) - self.scores(learned)) ** 2)))
