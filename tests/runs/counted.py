"""A library that counts how often it is imported."""

import os
from pathlib import Path

with Path(os.environ["COUNT"]).open("a") as _count:
    _count.write("x")
