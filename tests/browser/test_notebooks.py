"""JupyterLab and the page of questions, as someone uses them at smoke size."""

import shutil

import pytest

from stackstudy.paths import project_root

pytestmark = pytest.mark.browser
QUESTION = "How do I join two tables in MySQL?"


def ask(page, shots, name: str) -> str:
    """Type a question and return the answer that is shown."""
    page.fill(".widget-text input[type=text]", QUESTION)
    page.click("button:has-text('Ask')")
    answer = page.locator(".widget-html .asked").last
    answer.locator("mark, .text", has_text="MySQL").first.wait_for()
    answer.scroll_into_view_if_needed()
    page.screenshot(path=shots / name)
    return answer.inner_text()


@pytest.fixture
def notebooks(tmp_path_factory):
    """Copies of two notebooks inside the checkout, since Lab saves what it runs."""
    folder = project_root() / "report" / "build" / "lab"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("01-questions", "40-ask"):
        shutil.copy(project_root() / "notebooks" / f"{name}.ipynb", folder)
    yield folder
    shutil.rmtree(folder)


def test_lab_runs_notebooks_01_and_40_and_a_typed_question_is_answered(page, serve, shots, notebooks):
    options = ("--allow-root", "--IdentityProvider.token=", f"--ServerApp.root_dir={notebooks}")
    address = serve("jupyterlab", *options)
    for name in ("01-questions", "40-ask"):
        page.goto(f"{address}lab/tree/{name}.ipynb?reset")
        page.click("text=Run >> nth=0")
        page.click("text=Restart Kernel and Run All Cells…")
        page.click("button:has-text('Restart') >> nth=-1")
        page.locator(".jp-Notebook[data-jp-kernel-status], .jp-NotebookPanel").first.wait_for()
        if name == "40-ask":
            assert "mysql" in ask(page, shots, "lab-40.png")
        else:
            page.locator(".jp-OutputArea-output img").first.wait_for()
            page.screenshot(path=shots / "lab-01.png")
        assert page.locator(".jp-mod-error, [data-mime-type='application/vnd.jupyter.error']").count() == 0


def test_the_page_of_questions_answers(page, serve, shots):
    page.goto(serve("voila", str(project_root() / "notebooks" / "40-ask.ipynb")))
    assert "mysql" in ask(page, shots, "ask.png")
