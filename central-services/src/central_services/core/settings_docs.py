# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What there is to configure, read from the settings classes themselves.

`.env.example`, `config show` and the search for misspelt variables all come from this one list.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, SecretBytes, SecretStr
from pydantic.fields import FieldInfo

from .config import ENV_PREFIX, PlatformSettings

MASK = "**********"


@dataclass(frozen=True, slots=True)
class SettingDoc:
    """One thing that can be set.

    Attributes:
        variable: Its environment variable.
        section: The name of its section, or an empty string.
        description: What it does, one line.
        value: Its value (the default, or that of given settings), as the environment spells it.
        secret: Whether its value is masked.
        own: Whether the project added it, rather than the platform.
    """

    variable: str
    section: str
    description: str
    value: str
    secret: bool
    own: bool


def masked(plain: str) -> str:
    """Return what is shown for a secret."""
    return MASK if plain else ""


def describe(
    settings_class: type[PlatformSettings],
    values: PlatformSettings | None = None,
    *,
    mask: Callable[[str], str] = masked,
) -> list[SettingDoc]:
    """Return every setting, the platform's first, in the order they are declared.

    Args:
        settings_class: The project's settings class.
        values: Settings to take values from; the defaults, which are no secret, when there are none.
        mask: Makes of a secret what is shown for it.
    """
    show = str if values is None else mask
    found = list(_walk(settings_class, values, ENV_PREFIX, "", show))
    return sorted(found, key=lambda doc: doc.own)


def _walk(
    model: type[BaseModel],
    values: BaseModel | None,
    prefix: str,
    section: str,
    show: Callable[[str], str],
) -> Iterator[SettingDoc]:
    for name, field in model.model_fields.items():
        annotation = field.annotation
        value = getattr(values, name) if values is not None else _default(field)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            inner = f"{prefix}{name.upper()}__"
            yield from _walk(annotation, value, inner, name, show)
            continue
        secret = "Secret" in str(annotation)
        yield SettingDoc(
            variable=f"{prefix}{name.upper()}",
            section=section,
            description=field.description or "",
            value=_spell(value, show),
            secret=secret,
            own=not section and name not in PlatformSettings.model_fields,
        )


def _default(field: FieldInfo) -> Any:  # noqa: ANN401  # a default can be of any type
    if field.default_factory is not None:
        return field.get_default(call_default_factory=True, validated_data={})
    return None if field.is_required() else field.default


def _spell(value: object, show: Callable[[str], str]) -> str:
    """Return a value as it is written in the environment, a secret as it is to be shown."""
    if value is None:
        return ""
    if isinstance(value, SecretStr | SecretBytes):
        return show(str(value.get_secret_value()))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, dict | list):
        return json.dumps(value)
    return str(value)


def env_example(settings_class: type[PlatformSettings]) -> str:
    """Return the text of `.env.example`: every setting with its default, commented out."""
    lines = [
        "# Merged by Slipway. Written by `config env-example --write`; copy to .env for development.",
        "# Every line shows a default. Production reads the environment and the secrets directory.",
    ]
    section: str | None = None
    for doc in describe(settings_class):
        heading = "project" if doc.own else doc.section
        if heading != section:
            section = heading
            lines += ["", f"# --- {section or 'general'} ---"]
        lines += [f"# {doc.description}".rstrip(), f"#{doc.variable}={_quoted(doc.value)}"]
    return "\n".join(lines) + "\n"


def _quoted(value: str) -> str:
    """Quote a value that a dotenv file would cut or change otherwise."""
    return f"'{value}'" if set(value) & set(' #"${}') else value


def unknown_variables(
    settings_class: type[PlatformSettings], environment: Mapping[str, str]
) -> dict[str, str]:
    """Return variables that carry the prefix but configure nothing, each with the likeliest name.

    A misspelt variable is the commonest reason for "I set it and nothing happens".
    """
    known = {doc.variable for doc in describe(settings_class)} | {f"{ENV_PREFIX}SECRETS_DIR"}
    sections = {f"{ENV_PREFIX}{name.upper()}" for name in settings_class.model_fields}
    unknown = {}
    for variable in environment:
        upper = variable.upper()
        if upper.startswith(ENV_PREFIX) and upper not in known | sections:
            close = difflib.get_close_matches(upper, sorted(known), n=1)
            unknown[variable] = close[0] if close else ""
    return unknown
