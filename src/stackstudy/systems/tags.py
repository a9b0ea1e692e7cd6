"""The tag systems by name; the one table to extend with a new one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from stackstudy.systems.data import Fitted, TagData
from stackstudy.systems.neural import body_mlp

TagSystem = Callable[[TagData, Any, Path], Fitted]

TAG_SYSTEMS: dict[str, TagSystem] = {
    "body-mlp": body_mlp,
}
