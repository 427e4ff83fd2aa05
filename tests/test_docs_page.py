"""The documentation page of a rendered project, in a real browser."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from booting import serving

pytestmark = pytest.mark.slow
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def test_docs_work_in_a_browser_with_nothing_from_elsewhere(
    default_project: Path, tmp_path: Path
) -> None:
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  # only this test needs a browser

    complaints: list[str] = []
    requested: list[str] = []
    with serving(default_project) as service, sync_playwright() as playwright:
        url = service.url
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        try:
            page = browser.new_page(viewport={"width": 1280, "height": 1400})
            page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("request", lambda request: requested.append(request.url))
            page.goto(f"{url}/docs")
            page.locator(".opblock").first.wait_for()
            listed = page.locator(".opblock-summary-path").all_inner_texts()
            operation = page.locator(".opblock", has_text="/health/live").first
            operation.locator(".opblock-summary").click()
            operation.locator("button.execute").click()
            status = operation.locator(".live-responses-table tbody .response-col_status").first
            status.wait_for()
            answered = status.inner_text()
            page.screenshot(path=tmp_path / "docs.png")
        finally:
            browser.close()
    shown = {path.replace("\u200b", "") for path in listed}
    assert {"/orders", "/orders/{order_id}", "/health/ready"} <= shown
    assert answered.startswith("200")
    assert complaints == []
    assert [address for address in requested if not address.startswith((url, "data:"))] == []
