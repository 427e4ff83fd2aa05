"""The page of scheduled tasks in a real browser: make, change, run and delete a task."""

import json
import os
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from combinations import ROOT
from processes import RunIn, clean_environment
from projects import prefix_of
from rendering import Renderer, copy_project, slug_of
from test_docs_page import CHROMIUM_FLAGS

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("monitoring")]

PASSWORD = "correct horse battery staple"
LIMIT_MS = 120_000
EVIL = '<img src="x" onerror="window.stolen=1"><script>window.stolen=2</script>'
EVIL_MARKDOWN = "![x](http://127.0.0.1:9/evil.png) **bold** $$x$$ :red[red]"


@pytest.fixture
def python(tmp_path: Path, uv: str, run_in: RunIn) -> Path:
    """Return an interpreter that has Streamlit and what a rendered project needs."""
    environment, lock = tmp_path / "ui", ROOT / "requirements/ui.txt"
    found = environment / "bin/python"
    run_in(
        tmp_path,
        uv,
        "venv",
        "--python",
        shutil.which("python3") or "3.11",
        environment,
        online=True,
    )
    run_in(
        tmp_path,
        uv,
        "pip",
        "sync",
        "--require-hashes",
        "--python",
        found,
        lock,
        online=True,
        timeout=600,
    )
    return found


@contextmanager
def page_of(project: Path, python: Path) -> Iterator[str]:
    """Serve the page of a project and yield its address."""
    prefix, log = prefix_of(project), project / "page.log"
    given = {f"{prefix}MONITORING__UI_PASSWORD": PASSWORD, f"{prefix}MONITORING__BACKOFF_S": "0"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [python, "-m", slug_of(project), "tasks", "ui", "--port", "0"],
            cwd=project,
            env=clean_environment() | given | {"PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            start_new_session=True,
        )
    assert process.stdout is not None
    try:
        for line in process.stdout:  # it ends when the page ends
            output_text = line.decode()
            if "http://127.0.0.1:" in output_text:
                yield "http://127.0.0.1:" + output_text.split("http://127.0.0.1:")[1].strip()
                break
        else:
            pytest.fail(f"the page did not start:\n{log.read_text()}")
    finally:
        os.killpg(process.pid, signal.SIGTERM)  # the command, and the server that it started
        process.wait(30)
        process.stdout.close()
    assert "Traceback" not in log.read_text(), log.read_text()


def sign_in(page: Any) -> None:
    """Give the password, after a wrong one."""
    for given in ("wrong", PASSWORD):
        page.get_by_label("Password", exact=True).fill(given)
        page.get_by_role("button", name="Sign in").click()
        if given == "wrong":
            page.get_by_text("That is not the password.").wait_for()
    page.get_by_role("heading", name="Scheduled tasks").wait_for()
    page.get_by_role("tab", name="New task").wait_for()


def make(page: Any, name: str, parameters: dict[str, Any]) -> None:
    """Make a task that looks at a disk."""
    page.get_by_role("tab", name="New task").click()
    form = page.get_by_role("tabpanel", name="New task")
    form.get_by_role("textbox", name="Name").fill(name)
    form.get_by_role("textbox", name="Parameters (JSON)").fill(json.dumps(parameters))
    cron = form.get_by_role("textbox", name="Cron expression")
    cron.fill("61 6 * * *")
    cron.press("Enter")
    form.get_by_text("minute: '61' is not 0 to 59").wait_for()
    cron.fill("0 6 * * *")
    cron.press("Enter")
    form.get_by_text("06:00:00 UTC").wait_for()
    form.get_by_role("button", name="Create").click()
    page.get_by_text(f"{name} was made.", exact=True).wait_for()
    page.get_by_role("tab", name="Tasks").click()


def edit(page: Any, name: str) -> None:
    """Give the task that is shown another name."""
    page.get_by_role("tab", name="Edit").click()
    form = page.get_by_role("tabpanel", name="Edit")
    form.get_by_role("textbox", name="Name").fill(name)
    form.get_by_role("button", name="Save").click()
    page.get_by_text(f"{name} was changed.", exact=True).wait_for()


def kept(project: Path) -> list[dict[str, Any]]:
    """Return the tasks as they are kept."""
    found: list[dict[str, Any]] = json.loads((project / "data/presets.json").read_text())["tasks"]
    return found


def test_page_makes_edits_runs_and_deletes_a_task_and_shows_markup_as_text(
    render: Renderer, tmp_path: Path, python: Path
) -> None:
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  # only this test needs a browser

    project = copy_project(
        render("cookiecutter", include_scheduled_tasks=True), tmp_path / "project"
    )
    requested: list[str] = []
    with page_of(project, python) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        try:
            page = browser.new_page(viewport={"width": 1400, "height": 1200})
            page.set_default_timeout(LIMIT_MS)
            page.on("request", lambda request: requested.append(request.url))
            page.goto(url)
            sign_in(page)
            make(page, EVIL, {"path": "/", "min_free_percent": 0})
            (task,) = kept(project)
            assert (task["name"], task["cron"], task["active"]) == (EVIL, "0 6 * * *", True)
            page.get_by_role("button", name="Run now").click()
            page.get_by_text(f"{EVIL} has run.", exact=True).wait_for()
            page.get_by_role("tabpanel", name="Last result").get_by_text("% of").wait_for()
            page.screenshot(path=tmp_path / "task.png", full_page=True)
            edit(page, EVIL_MARKDOWN)
            assert kept(project)[0]["name"] == EVIL_MARKDOWN
            page.get_by_role("tab", name="History").click()
            page.get_by_role("tabpanel", name="History").locator("canvas").first.wait_for()
            page.locator("label", has_text="Active").first.click()
            page.get_by_text(f"{EVIL_MARKDOWN} is not active.", exact=True).wait_for()
            assert kept(project)[0]["active"] is False
            page.screenshot(path=tmp_path / "edited.png", full_page=True)
            page.get_by_role("button", name="Delete", exact=True).click()
            page.get_by_role("button", name="Delete for good").click()
            page.get_by_text("There are no tasks yet").wait_for()
            assert kept(project) == []
            assert page.evaluate("window.stolen") is None
            assert page.locator("img[onerror]").count() == 0
        finally:
            browser.close()
    outside = [u for u in requested if not u.startswith((url, "data:", url.replace("http", "ws")))]
    assert outside == [], "the page loads something from elsewhere"
    try:
        urllib.request.urlopen(url, timeout=5)
        pytest.fail("the page is still served")
    except urllib.error.URLError:
        pass
