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
NEEDED = ("01-questions", "02-embeddings", "03-tag-centroids", "11-tags-baselines", "21-scores-traditional")
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
def checkout(tmp_path, monkeypatch):
    """A checkout of its own, in which a notebook may be run again, with the two notebooks and what 40 needs."""
    root = project_root()
    shutil.copytree(root / "profiles", tmp_path / "profiles")
    shutil.copy(root / "requirements.txt", tmp_path)
    for name in NEEDED:
        if (root / "runs" / "smoke" / name / "DONE").exists():  # otherwise notebook 40 sees to it
            shutil.copytree(root / "runs" / "smoke" / name, tmp_path / "runs" / "smoke" / name)
    (tmp_path / "notebooks").mkdir()
    for path in (root / "notebooks").glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs = []
        nbformat.write(notebook, tmp_path / "notebooks" / path.name)
    monkeypatch.setenv("STACKSTUDY_ROOT", str(tmp_path))
    return tmp_path


def test_lab_runs_notebooks_40_and_01_and_a_typed_question_is_answered(page, serve, shots, checkout):
    options = ("--allow-root", "--IdentityProvider.token=", f"--ServerApp.root_dir={checkout / 'notebooks'}")
    address = serve("jupyterlab", *options)
    for name in ("40-ask", "01-questions"):  # 01 comes last, since what was made from its table is stale afterwards
        page.goto(f"{address}lab/tree/{name}.ipynb?reset")
        page.get_by_text("| Idle").wait_for()  # a click before the kernel is there leads nowhere
        page.get_by_role("button", name="Restart the kernel and run all cells").click()
        page.get_by_role("button", name="Confirm Kernel Restart").click()
        if name == "40-ask":
            assert "mysql" in ask(page, shots, "lab-40.png")
        else:
            picture = page.locator(".jp-OutputArea-output img").first
            picture.wait_for()
            picture.scroll_into_view_if_needed()
            page.screenshot(path=shots / "lab-01.png")
            page.get_by_text("| Idle").wait_for()
            assert (checkout / "runs" / "smoke" / name / "DONE").read_text().startswith("by hand")
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
