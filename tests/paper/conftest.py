"""A small checkout with finished runs, chapters of its own and the real defaults, filters and style."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from PIL import Image

REPORT = Path(__file__).parents[2] / "report"

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><rect width="40" height="20"/></svg>'

ENVIRONMENT = {
    "commit": "0123456789abcdef",
    "dirty": True,
    "wall_seconds": 75.2,
    "processor": "Abacus",
    "device": "cpu",
}


class Project:
    """A checkout in a temporary folder with the profile "toy"."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("profiles", "notebooks", "report/chapters"):
            (root / name).mkdir(parents=True)
        self.experiments: dict[str, dict] = {"00-never-run": {}}
        self._write_profile()

    def run(self, experiment: str, metrics: dict, tables: dict[str, str] | None = None, figures: tuple = ()) -> Path:
        """Make a finished run of an experiment of the profile."""
        self.experiments[experiment] = {}
        self._write_profile()
        folder = self.root / "runs" / "toy" / experiment
        for name in ("tables", "figures"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "metrics.json").write_text(json.dumps(metrics))
        (folder / "params.yaml").write_text(f"experiment: {experiment}\nseeds: [0, 1, 2]\n")
        (folder / "environment.json").write_text(json.dumps(ENVIRONMENT))
        record = {"key": f"key of {experiment}", "notebook": experiment, "components": {"source": None}}
        (folder / "key.json").write_text(json.dumps(record))
        for name, content in (tables or {}).items():
            (folder / "tables" / f"{name}.csv").write_text(content)
        for at, name in enumerate(figures):
            Image.new("RGB", (40, 20), (at, 80, 120)).save(folder / "figures" / f"{name}.png")
            (folder / "figures" / f"{name}.svg").write_text(SVG)
        (folder / "DONE").write_text(f"key of {experiment}\n")
        return folder

    def chapter(self, name: str, text: str) -> Path:
        path = self.root / "report" / "chapters" / name
        path.write_text(text, encoding="utf-8")
        return path

    def _write_profile(self) -> None:
        content = {"description": "A toy.", "resources": {"timeout_minutes": 1}, "experiments": self.experiments}
        (self.root / "profiles" / "toy.yaml").write_text(yaml.safe_dump(content))

    def use_real_report(self) -> None:
        """Take over the report's own files, without its chapters."""
        for name in ("defaults", "filters", "style"):
            shutil.copytree(REPORT / name, self.root / "report" / name)
        shutil.copy(REPORT / "bibliography.bib", self.root / "report")


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("STACKSTUDY_ROOT", str(tmp_path))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    return Project(tmp_path)
