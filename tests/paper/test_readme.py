"""The results in the README: what the collected ones give, and nothing else is touched."""

import pytest

from stackstudy.paper.collect import collect
from stackstudy.paper.readme import BEGIN, END, with_results, write_readme

TEMPLATE = "{{ data.rows | thousands }} rows\n\n![Shape]({{ figure('shape') }})\n"
RESULTS = f"{BEGIN}\n\n12,000 rows\n\n![Shape](figures/toy/shape.png)\n\n{END}"


@pytest.fixture
def readme(project):
    project.run("01-a", {"data": {"rows": 12000}}, figures=("shape",))
    (project.root / "report/readme.md").write_text(TEMPLATE)
    collect("toy")
    path = project.root / "README.md"
    path.write_text("# toy\n\nWhat it is.\n\n## Start\n\n## More\n")
    return path


def test_results_come_before_the_first_section_and_are_replaced_later(readme, project):
    assert write_readme("toy") == readme
    assert readme.read_text() == f"# toy\n\nWhat it is.\n\n{RESULTS}\n\n## Start\n\n## More\n"
    assert with_results(readme.read_text(), "toy") == readme.read_text()
    project.run("01-a", {"data": {"rows": 7}}, figures=("shape",))
    collect("toy")
    write_readme("toy")
    assert readme.read_text() == f"# toy\n\nWhat it is.\n\n{RESULTS.replace('12,000', '7')}\n\n## Start\n\n## More\n"


@pytest.mark.parametrize("text", [f"# toy\n{BEGIN}\n## Start\n", f"{END}\n\n## Start\n", "# toy\n"])
def test_a_readme_without_a_place_is_refused(readme, text):
    with pytest.raises(ValueError, match=r"README\.md has no place for the results"):
        with_results(text, "toy")


def test_a_figure_that_is_not_there_is_named(readme, project):
    (project.root / "figures/toy/shape.png").unlink()
    with pytest.raises(ValueError, match=r"readme\.md, line 3: no figure shape\.png in figures/toy"):
        with_results(readme.read_text(), "toy")
