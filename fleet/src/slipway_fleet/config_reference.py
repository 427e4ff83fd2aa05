"""The reference page of `fleet.toml`, written from its classes: `python -m slipway_fleet.config_reference`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath
from typing import Any, Literal, get_args, get_origin

from pydantic_core import PydanticUndefined

from .config import (
    CampaignSection,
    DirSource,
    FleetSection,
    GitHubSource,
    GitLabSource,
    RulesSection,
    Section,
    TemplateSection,
    WaiversSection,
    YamlSource,
)

_HEAD = """\
# fleet.toml

<!-- Written by `python -m slipway_fleet.config_reference`; a test holds it equal to the classes. -->

What a platform team writes down about its fleet. Relative paths start where the file lies. An unknown key is an error
that names the closest known one. `fleet doctor --example` prints a file to start from; `--config` or `FLEET_CONFIG`
names one elsewhere. No token stands in it: a source names the environment variable that holds one, git gets it through
askpass, and only for the host of that source.
"""

_SECTIONS: tuple[tuple[str, type[Section]], ...] = (
    ("[fleet]", FleetSection),
    ("[[template]]", TemplateSection),
    ('[[source]] type = "dir"', DirSource),
    ('[[source]] type = "yaml"', YamlSource),
    ('[[source]] type = "github-org"', GitHubSource),
    ('[[source]] type = "gitlab-group"', GitLabSource),
    ("[campaign]", CampaignSection),
    ("[rules]", RulesSection),
    ("[waivers]", WaiversSection),
)

_WORDS = {"str": "text", "int": "number", "bool": "true or false", "Path": "path"}


def page() -> str:
    """Return the whole page."""
    return "\n".join(
        [_HEAD, *(line for title, model in _SECTIONS for line in _section(title, model))]
    )


def _section(title: str, model: type[Section]) -> Iterator[str]:
    yield f"## `{title}`\n"
    said = (model.__doc__ or "").strip().rpartition("]`: ")[2]
    yield f"{said[:1].upper()}{said[1:]}\n"
    yield "| key | what it is | default | meaning |"
    yield "|---|---|---|---|"
    for name, field in model.model_fields.items():
        if name == "type":
            continue
        shown = "required" if field.is_required() else f"`{_literal(_default(field))}`"
        yield f"| `{name}` | {_kind(field.annotation)} | {shown} | {field.description or ''} |"
    yield ""


def _default(field: Any) -> object:
    return field.default if field.default is not PydanticUndefined else field.default_factory()


def _kind(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(annotation))
    if get_origin(annotation) is tuple:
        return f"list of {_kind(get_args(annotation)[0])}s"
    if get_origin(annotation) is dict:
        return f"table of {_kind(get_args(annotation)[1])}"
    return _WORDS[annotation.__name__]


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(_literal(item) for item in value)}]"
    return f'"{value}"' if isinstance(value, str | PurePath) else str(value)


if __name__ == "__main__":
    print(page(), end="")
