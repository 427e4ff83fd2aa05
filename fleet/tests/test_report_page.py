"""The page of the report in a real browser: inert, self-contained, and it works."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from slipway_fleet.reports import render

from tests.reports import full_report, hostile_project

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Opened:
    """The page, and what happened while it was open."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requested: list[str] = []
        page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requested.append(request.url))
        page.on("dialog", lambda dialog: self.complaints.append(dialog.message))


@contextmanager
def opened(path: Path, scheme: str = "light") -> Iterator[Opened]:
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  # only these tests need a browser

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        try:
            page = browser.new_page(viewport={"width": 1280, "height": 1600}, color_scheme=scheme)  # type: ignore[arg-type]  # one of two words
            seen = Opened(page)
            page.goto(path.as_uri())
            yield seen
        finally:
            browser.close()


def test_page_works_and_hostile_text_stays_text(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(render(full_report(hostile_project()), "html"), "utf-8")
    with opened(path) as seen:
        page = seen.page
        for button in page.locator("#projects .open").all():
            button.click()
        assert page.locator("#p4 .finding").count() >= 4
        assert page.locator("#p4 pre").inner_text().count("USER root") == 1
        links = page.evaluate("[...document.links].map((a) => a.getAttribute('href'))")
        assert [link for link in links if not link.startswith("#")] == []
        page.fill("#search", "@team-ide")
        assert page.locator("tbody.item:visible").count() == 1
        page.fill("#search", "")
        before = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.click("#theme")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
        assert page.evaluate("window.hit") is None
        assert page.locator("img, iframe, object, form").count() == 0
        assert page.evaluate("document.scripts.length") == 1
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, "the page scrolls sideways"
        assert seen.complaints == []
        assert [url for url in seen.requested if not url.startswith("file:")] == []


def test_page_prints_with_everything_open_and_looks_dark_where_that_is_wanted(
    tmp_path: Path,
) -> None:
    path = tmp_path / "report.html"
    path.write_text(render(full_report(), "html"), "utf-8")
    with opened(path, "dark") as seen:
        page = seen.page
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"
        assert page.locator("#p4").is_hidden()
        page.emulate_media(media="print")
        assert page.locator("#p4").is_visible()
        assert page.locator("nav").is_hidden()
        assert (
            page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        )
        assert len(page.pdf()) > 10_000
