"""A headless Chromium, and the servers that it visits."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from stackstudy.paths import project_root

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE = 600_000  # milliseconds: a kernel that starts on a loaded machine takes its time


@pytest.fixture(scope="session")
def browser():
    from playwright.sync_api import sync_playwright

    assert CHROMIUM, "no Chromium found (on Debian: apt install chromium)"
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


@pytest.fixture
def page(browser):
    page = browser.new_page(viewport={"width": 1200, "height": 1000})
    page.set_default_timeout(PATIENCE)
    yield page
    page.close()


@pytest.fixture(scope="session")
def shots() -> Path:
    """Where screenshots are kept for someone to look at."""
    folder = project_root() / "report" / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def serve():
    """Start a Jupyter program (``lab``, ``voila``) on a free port, and return its address once it answers."""
    started = []

    def start(program: str, *arguments: str, path: str = "") -> str:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", program, *arguments, "--no-browser", f"--port={port}"]
        started.append(subprocess.Popen(command, cwd=project_root(), env=os.environ, start_new_session=True))
        address = f"http://127.0.0.1:{port}/{path}"
        for _ in range(PATIENCE // 1000):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/static/favicons/favicon.ico", timeout=5).close()
                return address
            except urllib.error.HTTPError:
                return address
            except OSError:
                time.sleep(1)
        raise TimeoutError(f"{program} does not answer on port {port}")

    yield start
    for process in started:
        process.terminate()
        process.wait(30)
