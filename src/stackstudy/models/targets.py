"""What a network learns in place of a score, and the way back."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from stackstudy.evaluation.scores import inverse_signed_log, signed_log


@dataclass(frozen=True)
class ScoreTarget:
    """Scores, or their signed logs, less their mean and in units of their standard deviation.

    Mean and deviation are those of the training rows. So a network begins at their mean, and a learning rate that suits
    one corpus suits another.
    """

    log: bool
    mean: float
    deviation: float  # 0 where all are equal: then they are what is predicted
    low: float  # least and greatest of the training rows
    high: float

    @classmethod
    def of(cls, scores: np.ndarray, log: bool) -> Self:
        """Return the target that training scores (r,) make."""
        values = signed_log(scores) if log else np.asarray(scores, dtype=np.float64)
        return cls(log, float(values.mean()), float(values.std()), float(values.min()), float(values.max()))

    def learned(self, scores: np.ndarray) -> np.ndarray:
        """Return what the network is to put out for scores (n,): float32 (n,)."""
        values = signed_log(scores) if self.log else scores
        return ((values - self.mean) / (self.deviation or 1)).astype(np.float32)

    def scores(self, outputs: np.ndarray) -> np.ndarray:
        """Return the scores, float64 (n,), for outputs (n,) of the network.

        Those learned as logs are no lower or higher than the training scores: a network runs on outside of what it was
        trained on, where the exponential makes millions of it.
        """
        values = self.mean + self.deviation * np.asarray(outputs, dtype=np.float64)
        return inverse_signed_log(values.clip(self.low, self.high)) if self.log else values
