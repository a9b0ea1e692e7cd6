"""JupyterLab and the page of questions, as someone uses them at smoke size."""

import re
import shutil
from urllib.parse import urlsplit

import nbformat
import papermill
import pytest

from stackstudy.paths import project_root

pytestmark = pytest.mark.browser
QUESTION = "How do I join two tables in MySQL?"
FOREIGN = re.compile(r"""(?:src|href)=["'](?:https?:)?//|import\(["']https?:|url\(["']?https?:""")


def ask(page, shots, name: str) -> str:
    """Type a question and return the answer that is shown."""
    page.fill(".widget-text input[type=text]", QUESTION)
    page.fill(".widget-textarea textarea", "")
    page.click(".widget-button:has-text('Ask')")
    answer = page.locator(".widget-html .asked")
    answer.locator("mark, .text", has_text="MySQL").first.wait_for()
    answer.scroll_into_view_if_needed()
    page.screenshot(path=shots / name)
    return answer.inner_text()


@pytest.fixture
def notebooks():
    """Copies of two notebooks without outputs, inside the checkout, since Lab saves what it runs."""
    folder = project_root() / "report" / "build" / "lab"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("01-questions", "40-ask"):
        notebook = nbformat.read(project_root() / "notebooks" / f"{name}.ipynb", as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs = []
        nbformat.write(notebook, folder / f"{name}.ipynb")
    yield folder
    shutil.rmtree(folder)


def test_lab_runs_notebooks_01_and_40_and_a_typed_question_is_answered(page, serve, shots, notebooks):
    options = ("--allow-root", "--IdentityProvider.token=", f"--ServerApp.root_dir={notebooks}")
    address = serve("jupyterlab", *options)
    for name in ("01-questions", "40-ask"):
        page.goto(f"{address}lab/tree/{name}.ipynb?reset")
        page.get_by_text("| Idle").wait_for()  # a click before the kernel is there leads nowhere
        page.get_by_role("button", name="Restart the kernel and run all cells").click()
        page.get_by_role("button", name="Confirm Kernel Restart").click()
        if name == "40-ask":
            assert "mysql" in ask(page, shots, "lab-40.png")
        else:
            page.locator(".jp-OutputArea-output img").first.wait_for()
            page.screenshot(path=shots / "lab-01.png")
        assert page.locator("[data-mime-type='application/vnd.jupyter.error']").count() == 0


def test_the_page_of_questions_answers_and_asks_no_other_host(page, serve, shots, tmp_path, monkeypatch):
    source = project_root() / "src" / "stackstudy" / "ask"
    opened = tmp_path / "ask.ipynb"
    papermill.execute_notebook(source / "page.ipynb", opened, {"profile": "smoke"}, prepare_only=True)
    monkeypatch.setenv("JUPYTER_PATH", str(source / "jupyter"))
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    response = page.goto(serve("voila", str(opened), "--template=plain"))
    assert "mysql" in ask(page, shots, "ask.png")
    assert {urlsplit(url).hostname for url in asked if not url.startswith(("data:", "blob:"))} == {"127.0.0.1"}
    assert not FOREIGN.findall(response.text())
