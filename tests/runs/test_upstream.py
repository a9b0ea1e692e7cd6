import json
import shutil

import pytest

from stackstudy.runs.folder import mark_done
from stackstudy.runs.upstream import upstream


@pytest.fixture
def second(project):
    """A run of 02-double, made from one of 01-first."""
    folders = [project.run_folder(name) for name in ("01-first", "02-double")]
    for folder in folders:
        folder.mkdir(parents=True)
        mark_done(folder, "first key")
    (folders[1] / "params.yaml").write_text("profile: toy\n")
    key = {"key": "second key", "notebook": "02-second", "components": {"upstream": {"01-first": "first key"}}}
    (folders[1] / "key.json").write_text(json.dumps(key))
    return folders[1]


def test_it_is_the_folder_beside_it_wherever_the_runs_are(second, tmp_path):
    assert upstream(second, "01-first") == second.parent / "01-first"
    elsewhere = shutil.copytree(second.parent, tmp_path / "elsewhere")
    assert upstream(elsewhere / "02-double", "01-first") == elsewhere / "01-first"


def test_another_result_than_that_it_was_made_from_is_refused(second):
    mark_done(second.parent / "01-first", "another key")
    with pytest.raises(ValueError, match=r"01-first has changed since .*02-double was .* run 02-double again"):
        upstream(second, "01-first")
    (second / "key.json").unlink()  # run by hand, which keeps no key
    assert upstream(second, "01-first") == second.parent / "01-first"


def test_one_that_is_not_finished_or_not_in_the_profile_is_named(second):
    (second.parent / "01-first" / "DONE").unlink()
    with pytest.raises(FileNotFoundError, match=r"01-first is no finished run, but .*02-double was made from it"):
        upstream(second, "01-first")
    with pytest.raises(ValueError, match="profile toy: one experiment of 09-none expected, found none"):
        upstream(second, "09-none")
