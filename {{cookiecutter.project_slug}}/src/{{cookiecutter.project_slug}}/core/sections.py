# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What settings are made of: groups of fields, lists as the environment spells them, URLs."""

import json
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict
from pydantic_settings import NoDecode


def _split(value: object) -> object:
    """Split a comma-separated string; a JSON list is accepted too (pydantic-settings#732)."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return tuple(json.loads(value))
        except ValueError:
            message = "write a comma-separated list (a,b,c) or a JSON list of strings"
            raise ValueError(message) from None
    return tuple(part for part in (item.strip() for item in value.split(",")) if part)


CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
"""A tuple of strings, written `a,b,c` in the environment."""


def check_url(url: str) -> str:
    """Refuse what is no plain http or https URL.

    Raises:
        ValueError: Says what to write.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise ValueError("write an absolute URL, as in https://auth.example.com")
    if parts.query or parts.fragment or parts.username:
        raise ValueError("write it without query, fragment and user")
    return url


def _check_base_url(url: str) -> str:
    if check_url(url).endswith("/"):
        raise ValueError("write it without final slash")
    return url


Url = Annotated[str, AfterValidator(check_url)]
"""An absolute http or https URL."""

BaseUrl = Annotated[str, AfterValidator(_check_base_url)]
"""One that paths are put behind."""


class Section(BaseModel):
    """A group of settings; a misspelt variable inside it is an error, not a silent default."""

    # Built once, as a part of the project's settings, instead of here and in each class above.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
