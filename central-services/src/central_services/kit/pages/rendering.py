"""How pages are made: Jinja templates on the frame `page.html`, and one style sheet under each service's own."""

from __future__ import annotations

from pathlib import Path

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined, select_autoescape

HEADERS = {"Cache-Control": "public, max-age=3600"}
"""Those of a style sheet."""

_HERE = Path(__file__).parent


def make_environment(templates: Path) -> Environment:
    """Return what renders the templates of a folder; each may extend `page.html`.

    What a template shows is escaped, and a name that it is not given is an error. Templates are read when
    they are needed.
    """
    return Environment(
        loader=ChoiceLoader([FileSystemLoader(templates), FileSystemLoader(_HERE / "templates")]),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def style_sheet(own: Path) -> bytes:
    """Return the look that all pages have, and after it what one service's add."""
    return (_HERE / "look.css").read_bytes() + own.read_bytes()
