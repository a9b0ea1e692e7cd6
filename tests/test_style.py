"""The code keeps the style that pyproject.toml sets."""

import subprocess
import sys

import pytest

from stackstudy.paths import project_root


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]])
def test_ruff_is_content(command):
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "."], cwd=project_root(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
