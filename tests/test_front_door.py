"""The front door: Makefile, pins and the two environments that must agree."""

import re
import subprocess
import tomllib
from importlib.metadata import version

import pytest
import yaml

from stackstudy.paths import project_root

ROOT = project_root()


def requirement_pins() -> dict[str, str]:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def test_every_requirement_is_pinned_exactly_once():
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[\w.]+", line) for line in lines)
    assert len(requirement_pins()) == len(lines)


def test_what_the_package_asks_for_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = project["dependencies"] + project["optional-dependencies"]["test"]
    names = {re.match(r"[\w-]+", requirement)[0].lower() for requirement in asked}
    assert names <= requirement_pins().keys()


def test_this_environment_has_the_pins():
    for name in ("numpy", "torch", "scikit-learn", "polars", "papermill", "transformers"):
        assert version(name).partition("+")[0] == requirement_pins()[name]


def test_conda_environment_takes_the_same_python_packages_and_bounds_its_tools():
    dependencies = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    tools = [entry.replace(" ", "") for entry in dependencies if isinstance(entry, str)]
    assert [entry for entry in dependencies if isinstance(entry, dict)] == [{"pip": ["-r requirements.txt"]}]
    assert {"pandoc>=3.8.2,<3.10", "pandoc-crossref>=0.3.22,<0.4", "tectonic"} <= set(tools)
    pinned = {name.split("=")[0] for name in tools} & requirement_pins().keys()
    assert not pinned, f"pinned twice, by conda and by pip: {pinned}"


def make(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, text=True, capture_output=True, env=environment, check=False)


def test_bare_make_lists_every_target():
    printed = make(PATH="/usr/bin:/bin").stdout
    phony = re.search(r"\.PHONY: (.*)", (ROOT / "Makefile").read_text())[1].split()
    assert all(f"make {target}" in printed for target in phony)
    assert all(profile.stem in printed for profile in (ROOT / "profiles").glob("*.yaml"))


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        (
            "#!/bin/sh\ncase \"$*\" in *version_info*) exit 1;; *) echo 'Python 3.8.1';; esac",
            "needs Python 3.11 or newer; Python 3.8.1 was found",
        ),
        ('#!/bin/sh\ncase "$*" in *ensurepip*) exit 1;; esac', "this Python has no venv module"),
    ],
)
def test_make_env_says_what_is_missing(tmp_path, script, complaint):
    python = tmp_path / "python3"
    python.write_text(script)
    python.chmod(0o755)
    result = make("env", f"ENV_DIR={tmp_path}/env", f"PYTHON={python}", PATH="/usr/bin:/bin")
    assert result.returncode != 0
    assert complaint in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


def test_make_env_without_any_python_says_so(tmp_path):
    result = make("env", f"ENV_DIR={tmp_path}/env", "PYTHON=no-such-python", PATH="/usr/bin:/bin")
    assert result.returncode != 0
    assert "no 'no-such-python' was found" in result.stdout


def test_an_active_conda_environment_is_used_and_base_is_not(tmp_path):
    active = make(
        "--dry-run", "env", PATH="/usr/bin:/bin", CONDA_PREFIX=str(tmp_path), CONDA_DEFAULT_ENV="study"
    ).stdout
    base = make(
        "--dry-run",
        "env",
        "ENV_DIR=/nowhere",
        PATH="/usr/bin:/bin",
        CONDA_PREFIX=str(tmp_path),
        CONDA_DEFAULT_ENV="base",
    ).stdout
    assert f"{tmp_path}/bin/python -m pip install" in active
    assert "-m venv" not in active
    assert "-m venv" in base
