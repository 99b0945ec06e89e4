"""Labeller and chat in a real JupyterLab: clicks, keys, close and resume, light and dark.

It needs some twenty seconds of processor time. Nothing waits for a fixed time, except for a
reader's glance: a busy machine makes it slow and not red.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jupyterlab", reason="JupyterLab is not installed: `make lab` installs it")
nbformat = pytest.importorskip("nbformat")

PATIENCE = 300  # seconds; a machine that runs ten other things starts JupyterLab in a minute

LABELLER = """
from anatomy.rlhf.labels import Pair
from anatomy.widgets.labeller import Labeller

pairs = [Pair(f"p{i}", f"text {i} one", f"text {i} two", "Which?") for i in range(8)]
labeller = Labeller(pairs, file="labels.jsonl", scripted=lambda pair: "left")
labeller
"""
CHAT = """
from anatomy.models.gpt import GPT, GPTConfig
from anatomy.tinyweb import World, tokenizer_of
from anatomy.widgets.assistants import STAGES, Assistants
from anatomy.widgets.chat import Chat

untrained = GPT(GPTConfig(len(tokenizer_of(World())), 128, 16, 1, 2))
Chat(Assistants(dict.fromkeys(STAGES, untrained)))
"""
SETTINGS = "lab/api/settings/@jupyterlab"


class Lab:
    """A JupyterLab in a folder of its own, with one notebook of two cells."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{free.getsockname()[1]}"
        cells = [nbformat.v4.new_code_cell(cell.strip()) for cell in (LABELLER, CHAT)]
        notebook = nbformat.v4.new_notebook(cells=cells)
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        nbformat.write(notebook, folder / "page.ipynb")
        environment = {
            **os.environ,
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
            "JUPYTER_PREFER_ENV_PATH": "1",
        }
        options = {
            "ServerApp.port": self.url.rsplit(":", 1)[1],
            "ServerApp.root_dir": str(folder),
            "IdentityProvider.token": "",
            "ServerApp.disable_check_xsrf": "True",
            "LabApp.news_url": "",
        }
        with (folder / "server.log").open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
                + [f"--{name}={value}" for name, value in options.items()],
                env=environment,
                stdout=log,
                stderr=log,
            )

    def wait(self) -> None:
        def answers() -> bool:
            assert self.process.poll() is None, (self.folder / "server.log").read_text()
            try:
                urllib.request.urlopen(f"{self.url}/api", timeout=5)
            except OSError:
                return False
            return True

        until(answers, "JupyterLab did not start")
        # a saved page would come back with the old panel in it
        self.set("docmanager-extension:plugin", {"autosave": False})

    def set(self, plugin: str, values: dict[str, Any]) -> None:
        body = json.dumps({"raw": json.dumps(values)}).encode()
        request = urllib.request.Request(f"{self.url}/{SETTINGS}/{plugin}", data=body, method="PUT")
        urllib.request.urlopen(request, timeout=PATIENCE)

    def connected(self) -> bool:
        """Whether a page is connected to a kernel."""
        with urllib.request.urlopen(f"{self.url}/api/sessions", timeout=PATIENCE) as reply:
            return any(session["kernel"]["connections"] for session in json.load(reply))

    @property
    def choices(self) -> list[str]:
        lines = (self.folder / "labels.jsonl").read_text().splitlines()
        return [json.loads(line)["choice"] for line in lines]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    yield lab
    lab.process.terminate()
    lab.process.wait(timeout=PATIENCE)


def until(happened: Callable[[], bool], complaint: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline, f"{complaint} within {PATIENCE} seconds"
        time.sleep(0.1)


def open_notebook(lab: Lab, browser: Any, errors: list[str], *, theme: str) -> Any:
    """The notebook in a page of its own, with its kernel."""
    lab.set("apputils-extension:themes", {"theme": theme})
    page = browser.new_page(viewport={"width": 1100, "height": 850})
    page.set_default_timeout(1000 * PATIENCE)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{lab.url}/doc/tree/page.ipynb")
    # what is run before there is a kernel, JupyterLab drops without a word
    until(lab.connected, "the notebook found no kernel")
    return page


def run_cell(page: Any, number: int, appears: str) -> Any:
    """Execute a cell and return the panel that appears."""
    page.locator(".jp-CodeCell .cm-content").nth(number).click()
    page.keyboard.press("Control+Enter")
    root = page.locator(appears)
    root.wait_for()
    return root


def expect_count(root: Any, count: int) -> None:
    root.get_by_text(f"{count} of 12 labelled").wait_for()
    root.page.wait_for_timeout(300)  # a reader looks first; sooner would be a double click


def contrast(root: Any, selector: str) -> float:
    """WCAG contrast of an element's text against JupyterLab's ground."""
    return root.locator(selector).first.evaluate(
        """element => {
            const light = (colour) => {
                const part = (c) => (c / 255) ** 2.2;
                const [r, g, b] = colour.match(/[\\d.]+/g).map(Number);
                return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
            };
            const ground = getComputedStyle(element.closest(".jp-Notebook")).backgroundColor;
            const both = [getComputedStyle(element).color, ground].map(light).sort((a, b) => b - a);
            return (both[0] + 0.05) / (both[1] + 0.05);
        }"""
    )


def label_in_the_light(lab: Lab, page: Any) -> None:
    """Click, keys, undo: each answer is in the file when the next pair is shown."""
    root = run_cell(page, 0, ".anatomy-labeller")
    expect_count(root, 0)
    root.get_by_text("answers of a scripted labeller").wait_for()
    root.get_by_role("button", name="Undo").click()  # there is nothing yet
    root.get_by_role("button", name="Left").click()
    expect_count(root, 1)
    assert lab.choices == ["left"]  # saved as it goes
    for count, key in enumerate(["ArrowRight", "3", "ArrowDown"], start=2):
        page.keyboard.press(key)
        expect_count(root, count)
    assert lab.choices == ["left", "right", "equal", "skip"]
    page.keyboard.press("Backspace")
    expect_count(root, 3)
    assert lab.choices == ["left", "right", "equal"]
    root.locator(".anatomy-side").first.click()  # anywhere in the frame, then keys
    page.keyboard.press("1")
    expect_count(root, 4)
    assert page.locator(".jp-Cell").count() == 2  # no key became a notebook shortcut
    assert contrast(root, ".anatomy-side .anatomy-text") > 7


def resume_in_the_dark(lab: Lab, page: Any) -> None:
    """Another page goes on where the first one stopped, with keys, to the last pair and past it."""
    root = run_cell(page, 0, ".anatomy-labeller")
    expect_count(root, 4)
    assert "text 4" in root.locator(".anatomy-side").first.inner_text()
    assert page.evaluate("document.body.dataset.jpThemeLight") == "false"
    assert contrast(root, ".anatomy-side .anatomy-text") > 7
    root.get_by_role("button", name="Undo").click()
    expect_count(root, 3)
    assert lab.choices == ["left", "right", "equal"]
    for count in range(4, 12):
        page.keyboard.press("2")
        expect_count(root, count)
    root.get_by_role("button", name="Left").dblclick()  # the last pair, twice
    root.get_by_text("That was the last pair").wait_for()
    page.keyboard.press("2")
    page.keyboard.press("Backspace")
    expect_count(root, 11)
    assert lab.choices == ["left", "right", "equal", *["right"] * 8]


def chat_in_the_dark(page: Any) -> None:
    """Ask by Enter and by click; a word that TinyWeb does not have is named."""
    root = run_cell(page, 1, ".anatomy-chat")
    field = root.get_by_placeholder("Where does Mia live?")
    field.click()
    page.keyboard.type("list two towns")
    page.keyboard.press("Enter")
    root.get_by_text("List two towns.").wait_for()
    assert root.locator(".reply").count() == 4
    assert page.evaluate("document.activeElement.placeholder") == "Where does Mia live?"
    field.fill("where is bitcoin ?")
    root.get_by_role("button", name="Send").click()
    root.get_by_text('TinyWeb has no word "bitcoin"').wait_for()
    assert contrast(root, ".answer") > 7
    root.get_by_role("button", name="Example").click()
    page.wait_for_function(
        "!document.querySelector('.anatomy-ask input').value.includes('bitcoin')"
    )
    assert field.input_value().endswith("?")


@pytest.mark.browser
def test_label_close_resume_and_chat(lab: Lab, browser: Any) -> None:
    # One test, because a start of JupyterLab costs more than all that is tried in it.
    errors: list[str] = []
    lab.wait()
    page = open_notebook(lab, browser, errors, theme="JupyterLab Light")
    label_in_the_light(lab, page)
    page.close()
    until(lambda: not lab.connected(), "the closed page was still connected")
    page = open_notebook(lab, browser, errors, theme="JupyterLab Dark")
    resume_in_the_dark(lab, page)
    chat_in_the_dark(page)
    page.close()
    assert errors == []
