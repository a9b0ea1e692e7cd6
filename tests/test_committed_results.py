"""The committed results: those of the committed code, small, without anything of a machine or of the posts."""

import json

import pytest

from stackstudy.paper.finished import has_results
from stackstudy.paper.provenance import outdated
from stackstudy.paper.readme import with_results
from stackstudy.paths import figures_dir, project_root, results_dir

OPENING = "reference"  # profile of the README
PROFILES = [OPENING, "audit"]
MEGABYTES = 8  # of all committed files of a profile together


@pytest.fixture(params=PROFILES)
def profile(request):
    if not has_results(request.param):
        pytest.skip(f"no results/{request.param} in this checkout")
    return request.param


def committed_files(profile):
    return [path for folder in (results_dir, figures_dir) for path in folder(profile).rglob("*") if path.is_file()]


def test_they_are_those_that_this_code_writes(profile):
    stale = {name: reasons for name, reasons in outdated(profile).items() if reasons}
    listed = "\n".join(f"{name}: {'; '.join(reasons)}" for name, reasons in stale.items())
    assert not stale, f"{len(stale)} experiments are not of this code; run them again and collect:\n{listed}"


def test_every_number_has_a_recorded_run(profile):
    numbers = json.loads((results_dir(profile) / "numbers.json").read_text())
    keys = json.loads((results_dir(profile) / "keys.json").read_text())
    assert {entry["experiment"] for entry in numbers.values()} <= keys.keys()
    assert {path.stem for path in (results_dir(profile) / "parameters").iterdir()} == keys.keys()


def test_the_readme_says_what_they_say():
    readme = (project_root() / "README.md").read_text(encoding="utf-8")
    assert with_results(readme, OPENING) == readme, f"type `stackstudy readme {OPENING}`"


def test_they_are_small(profile):
    sizes = {path: path.stat().st_size for path in committed_files(profile)}
    assert sum(sizes.values()) < MEGABYTES * 10**6, sorted(sizes, key=sizes.get)[-5:]


def test_they_hold_no_path_of_a_machine(profile):
    texts = [path for path in committed_files(profile) if path.suffix != ".png"]
    assert not [path for path in texts if any(mark in path.read_text() for mark in ("/home/", "/root/", "/Users/"))]
    assert not [path for path in texts if str(project_root()) in path.read_text(encoding="utf-8")]
