# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What settings are made of: groups of fields, and lists as the environment spells them."""

import json
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict
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


class Section(BaseModel):
    """A group of settings; a misspelt variable inside it is an error, not a silent default."""

    # Built once, as a part of the project's settings, instead of here and in each class above.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
