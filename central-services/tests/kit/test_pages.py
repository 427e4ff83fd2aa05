"""One look for the pages of all services."""

from __future__ import annotations

import re
from pathlib import Path

import jinja2
import pytest

from central_services.kit.pages import make_environment, style_sheet

SERVICES = ("auth", "audit")
SOURCE = Path(__file__).parents[2] / "src/central_services"


def test_what_a_page_shows_is_escaped_and_nothing_is_left_out(tmp_path: Path) -> None:
    frame = '{% extends "page.html" %}{% block title %}{{ name }}{% endblock %}'
    (tmp_path / "own.html").write_text(frame)
    pages = make_environment(tmp_path)
    shown = pages.get_template("own.html").render(name="<b>")
    assert "<title>&lt;b&gt;</title>" in shown
    assert "<h1>&lt;b&gt;</h1>" in shown
    with pytest.raises(jinja2.UndefinedError):
        pages.get_template("own.html").render()


@pytest.mark.parametrize("service", SERVICES)
def test_service_adds_to_the_look_and_has_no_colours_of_its_own(service: str) -> None:
    own = SOURCE / f"{service}_service/static/{service}.css"
    sheet = style_sheet(own).decode()
    assert sheet.index(":root") < sheet.index(own.read_text())
    assert not re.search(r"#[0-9a-f]{3,6}\b|--[\w-]+:", own.read_text())
    used = set(re.findall(r"var\((--[\w-]+)\)", sheet))
    assert used <= set(re.findall(r"^\s*(--[\w-]+):", sheet, re.MULTILINE))


@pytest.mark.parametrize("service", SERVICES)
def test_every_page_is_on_the_frame(service: str) -> None:
    for path in (SOURCE / f"{service}_service/templates").glob("*.html"):
        assert path.read_text().startswith('{% extends "'), path.name
        assert "<!doctype" not in path.read_text(), path.name
