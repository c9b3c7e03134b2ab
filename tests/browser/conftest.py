"""JupyterLab on a free loopback port and Debian's Chromium, driven through Playwright.

`open_notebook(sources)` writes a notebook, opens it in the lab, runs the first cell and gives the page;
`run_cell(page, number)` runs another one.
"""

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

PATIENCE = 120
"""Seconds that anything may take: on a machine of four times the usual load as well."""

CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CELL = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": []}
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab: the folder that it serves, its address and its token."""

    folder: Path
    address: str
    token: str

    def url(self, path: str) -> str:
        return f"{self.address}/{path}?token={self.token}"


@pytest.fixture(scope="session")
def chromium():
    pytest.importorskip("playwright", reason="playwright is missing: `uv sync --locked --all-extras` installs it")
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("chromium is missing: `apt-get install chromium` (Debian, Ubuntu) installs it")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    own_folder = tmp_path_factory.mktemp("jupyter")
    quiet = (
        own_folder / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    )
    quiet.parent.mkdir(parents=True)
    quiet.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}))
    folder = tmp_path_factory.mktemp("notebooks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    lab = Lab(folder, f"http://127.0.0.1:{port}", secrets.token_hex(16))
    own = {f"JUPYTER_{kind.upper()}_DIR": str(own_folder / kind) for kind in ("data", "runtime")}
    environment = {
        **os.environ,
        **own,
        "JUPYTER_CONFIG_DIR": str(own_folder),
        "IPYTHONDIR": str(own_folder / "ipython"),
        "LIMITLAB_HOME": str(own_folder / "cache"),
        "JUPYTER_TOKEN": lab.token,
        "OMP_NUM_THREADS": "1",
    }
    command = [
        *(sys.executable, "-m", "jupyter", "lab", "--no-browser", f"--port={port}", "--ServerApp.port_retries=0"),
        *("--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={folder}", "--LabApp.news_url="),
        *("--LabApp.extension_manager=readonly", "--allow-root"),
    ]
    with (own_folder / "server.log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait_for(lab, server, own_folder / "server.log")
        yield lab
    finally:
        server.terminate()
        try:
            server.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            server.kill()


@pytest.fixture
def patience():
    """Seconds that anything may take."""
    return PATIENCE


@pytest.fixture(name="run_cell")
def _run_cell():
    return run_cell


@pytest.fixture
def open_notebook(lab, chromium):
    contexts = []

    def opened(*sources: str, width: int = 1500, height: int = 1900):
        name = f"studio-{len(list(lab.folder.glob('*.ipynb')))}.ipynb"
        cells = [{**CELL, "id": f"cell-{number}", "source": source} for number, source in enumerate(sources)]
        notebook = {"cells": cells, "metadata": KERNEL, "nbformat": 4, "nbformat_minor": 5}
        (lab.folder / name).write_text(json.dumps(notebook))
        context = chromium.new_context(viewport={"width": width, "height": height})
        context.set_default_timeout(1000 * PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.goto(lab.url(f"lab/workspaces/{Path(name).stem}/tree/{name}"), wait_until="domcontentloaded")
        page.wait_for_selector(".jp-NotebookPanel .jp-Cell .jp-InputArea-editor")
        run_cell(page, 0)
        return page

    yield opened
    for context in contexts:
        context.close()
    with urllib.request.urlopen(lab.url("api/kernels"), timeout=PATIENCE) as answer:
        kernels = json.load(answer)
    for kernel in kernels:
        request = urllib.request.Request(lab.url(f"api/kernels/{kernel['id']}"), method="DELETE")
        request.add_header("Authorization", f"token {lab.token}")
        urllib.request.urlopen(request, timeout=PATIENCE).close()


def run_cell(page, number: int) -> None:
    """Press Shift+Enter until the cell has run: the lab drops the key while the kernel is still connecting."""
    prompt = page.locator(".jp-NotebookPanel .jp-Cell .jp-InputPrompt").nth(number)
    deadline = time.monotonic() + PATIENCE
    # a key that comes before the kernel is assigned opens a dialog, which then stands before the cell
    choose_kernel = page.locator(".jp-Dialog .jp-mod-accept")
    while time.monotonic() < deadline:
        if choose_kernel.count():
            choose_kernel.first.click()
        page.locator(".jp-NotebookPanel .jp-Cell .jp-InputArea-editor").nth(number).click()
        page.keyboard.press("Shift+Enter")
        page.wait_for_timeout(500)
        if prompt.inner_text().strip() != "[ ]:":
            return
    raise TimeoutError(f"the kernel took no cell within {PATIENCE} s")


def _wait_for(lab: Lab, server: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(lab.url("api"), timeout=PATIENCE).close()
            return
        time.sleep(0.3)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")
