"""Reading of YAML: parameters of runs, profiles, and the words of the planted corpus."""

from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml

# libyaml, where PyYAML was built with it, is ten times as fast as the parser in Python.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(path: Path | Traversable) -> Any:
    """Return the content of a file. FileNotFoundError; yaml.YAMLError: it is not YAML."""
    return yaml.load(path.read_text(encoding="utf-8"), LOADER)
