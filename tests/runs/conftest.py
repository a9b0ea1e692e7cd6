"""A toy project of three notebooks in a temporary folder."""

import json
import os
from pathlib import Path

import pytest
import toy
import yaml

from stackstudy import params

START = """import os, signal, time, toy
from stackstudy import params
from stackstudy import runs
from stackstudy.runs.progress import report
params.NOTEBOOKS = toy.NOTEBOOKS
p = toy.{model}.from_notebook(globals())
run = runs.start(p)"""
TROUBLE = """note = toy.planned(run.folder.parents[2], p.experiment) or p.trouble
if p.trouble == "error": raise RuntimeError("planned\\nfailure")
if note == "die": os.kill(os.getpid(), signal.SIGKILL)
if p.trouble == "sleep":
    for step in range(600):
        report("waiting", step, 600, loss=0.5)
        time.sleep(0.1)
if note == "hang": time.sleep(600)
while note == "wait" and toy.planned(run.folder.parents[2], p.experiment):
    report("waiting", 1, 2)
    time.sleep(0.1)
hog = []
while note == "eat" and len(hog) < 40:
    hog.append(bytearray(os.urandom(1 << 16) * 512))
    time.sleep(0.1)"""
CODE = {
    "01-first": [
        START.format(model="First"),
        TROUBLE,
        """with open(run.folder / "attempts.txt", "a") as file: file.write("x")
if note != "no product": (run.folder / "numbers.txt").write_text(str(p.amount))
run.metrics({"first": {"amount": p.amount}})
run.finish()""",
    ],
    "02-second": [
        START.format(model="Second"),
        TROUBLE,
        """import polars
value = int((run.input("01-first") / "numbers.txt").read_text()) * p.factor
run.table(polars.DataFrame({"value": [value]}), "doubled")
run.metrics({"second": {p.experiment: value}})
run.finish()""",
    ],
    "03-third": [
        START.format(model="Third"),
        """run.metrics({"third": {"inputs": len(run.inputs("02-*"))}})
run.finish()""",
    ],
}
VALUES = {
    "01-first": {"source": "planted", "amount": 3, "trouble": ""},
    "02-second": {"factor": 2.0, "trouble": ""},
    "03-third": {"seeds": (0,)},
}
EXPERIMENTS = {"01-first": {}, "02-double": {"notebook": "02-second"}, "03-third": {}}


class Project:
    """Writes the notebooks and profiles of the toy project."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("notebooks", "profiles"):
            (root / folder).mkdir()
        (root / "requirements.txt").write_text("numpy==1.0\n# why\nrich==2.0\n")
        for name in CODE:
            self.notebook(name)
        self.profile()

    def notebook(self, name: str, extra: str = "", **values: object) -> Path:
        own = {"profile": "toy", "experiment": name} | VALUES[name] | values
        assignments = [f"{field} = {value!r}  # comment" for field, value in own.items()]
        codes = ["\n".join(assignments), *CODE[name], *([extra] if extra else [])]
        cells = [_cell(code, number) for number, code in enumerate(codes)]
        cells[0]["metadata"] = {"tags": ["parameters"]}
        path = self.root / "notebooks" / f"{name}.ipynb"
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        content = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
        path.write_text(json.dumps(content))
        return path

    def profile(self, name: str = "toy", *, slots: int = 1, timeout: float = 5, **sections: object) -> None:
        content = {
            "description": "toy",
            "resources": {"slots": slots, "timeout_minutes": timeout},
            "experiments": EXPERIMENTS,
        }
        (self.root / "profiles" / f"{name}.yaml").write_text(yaml.safe_dump(content | sections, sort_keys=False))

    def run_folder(self, experiment: str) -> Path:
        return self.root / "runs" / "toy" / experiment


def _cell(code: str, number: int) -> dict:
    output = {"output_type": "stream", "name": "stdout", "text": "stored"}
    cell = {"cell_type": "code", "id": f"cell-{number}", "metadata": {}, "source": code}
    return cell | {"execution_count": number + 1, "outputs": [output]}


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("STACKSTUDY_ROOT", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("STACKSTUDY_RUN_DIR", raising=False)
    monkeypatch.setattr(params, "NOTEBOOKS", toy.NOTEBOOKS)
    return Project(tmp_path)
