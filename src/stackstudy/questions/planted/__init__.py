"""The planted corpus: generated questions whose truth is known, of any size, without a download."""

from stackstudy.questions.planted.corpus import (
    Ceiling,
    Truth,
    ceiling,
    ceiling_of,
    plant,
    plant_batches,
    plant_with_truth,
)
from stackstudy.questions.planted.dump import write_dump

__all__ = ["Ceiling", "Truth", "ceiling", "ceiling_of", "plant", "plant_batches", "plant_with_truth", "write_dump"]
