# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""HTML of messages from Jinja templates: escaped by itself, and free of what users must not write.

Importing this module imports Jinja and nh3: it is imported when the first message is rendered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import nh3
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined, TemplateNotFound
from markupsafe import Markup, escape

from .errors import InvalidEmailError

__all__ = ["MailTemplates", "sanitise"]

_OWN = Path(__file__).parent / "templates"
_MANAGED = re.compile(r"\A<!-- (?:Managed|Merged) by Slipway[^\n]*-->\n")

_TAGS = frozenset(
    "a abbr b blockquote br code dd del div dl dt em h1 h2 h3 h4 hr i img ins li ol p pre q s small "  # noqa: SIM905  # a list has one word a line
    "span strong sub sup table tbody td tfoot th thead tr u ul".split()
)
_ATTRIBUTES = {
    "a": {"href", "title"},
    "abbr": {"title"},
    "img": {"alt", "height", "src", "width"},
    "ol": {"start"},
    "td": {"align", "colspan", "rowspan"},
    "th": {"align", "colspan", "rowspan"},
}
# cid: shows a picture of the message itself; https pictures tell who reads it when.
_SCHEMES = {"https", "http", "mailto", "cid"}


def sanitise(html: str) -> str:
    """Return HTML without scripts, styles, forms, frames, handlers and links to other than the web."""
    return nh3.clean(
        html,
        tags=set(_TAGS),
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        link_rel="noopener noreferrer nofollow",
        strip_comments=True,
    )


def _sanitise(value: object) -> Markup:
    return Markup(sanitise(str(value)))  # noqa: S704  # nh3 has just cleaned it


def _paragraphs(value: object) -> Markup:
    """Return plain text as paragraphs, escaped, with its line breaks."""
    blocks = re.split(r"\n\s*\n", str(value).replace("\r\n", "\n").strip("\n"))
    start, end, line = Markup('<p style="margin:0 0 16px;">'), Markup("</p>"), Markup("<br>\n")
    return Markup("\n").join(
        start + line.join(escape(text) for text in block.split("\n")) + end for block in blocks
    )


class _ManagedLoader(FileSystemLoader):
    """Leaves the line that says whose file a template is out of what it renders."""

    def get_source(
        self, environment: Environment, template: str
    ) -> tuple[str, str, Callable[[], bool]]:
        """See `FileSystemLoader.get_source`."""
        source, name, current = super().get_source(environment, template)
        return _MANAGED.sub("", source), name, current


class MailTemplates:
    """Templates by name: the project's folders first, then the platform's.

    What a template prints is escaped, in every file but `.txt`. HTML that users wrote goes through
    the filter `sanitise`, their plain text through `paragraphs`.

    Args:
        folders: The project's own.
        values: What every template can use; `app_name` is expected.
    """

    def __init__(
        self, folders: Sequence[Path] = (), values: Mapping[str, object] | None = None
    ) -> None:
        self._environment = Environment(
            loader=ChoiceLoader([_ManagedLoader([*folders]), _ManagedLoader([_OWN])]),
            autoescape=_escaped,  # noqa: S701  # all but plain text is escaped
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {"sanitise": _sanitise, "paragraphs": _paragraphs}
        defaults: dict[str, object] = {"preheader": "", "heading": "", "content": None, "body": ""}
        self._values = defaults | dict(values or {})

    def render(self, name: str, /, **values: object) -> tuple[str, str | None]:
        """Return the HTML of `NAME.html` and the text of `NAME.txt`, None where there is none.

        Raises:
            InvalidEmailError: There is no such template.
        """
        shown = self._values | values
        try:
            page = self._environment.get_template(f"{name}.html").render(shown)
        except TemplateNotFound as error:
            raise InvalidEmailError(f"there is no mail template {error.name}") from None
        try:
            text = self._environment.get_template(f"{name}.txt").render(shown)
        except TemplateNotFound:
            return page, None
        return page, text


def _escaped(name: str | None) -> bool:
    """Escape everything but plain text, which has nothing to escape."""
    return not (name or "").endswith(".txt")
