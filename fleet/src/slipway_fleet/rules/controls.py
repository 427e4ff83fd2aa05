"""The controls that auditors ask for, and their names."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from .parsing import parse_yaml


@dataclass(frozen=True, slots=True)
class Framework:
    """A standard that rules are mapped to.

    Attributes:
        key: How rule files name it.
        title: Its name with its version: numbers change between versions.
        url: Where it is published.
        controls: The controls that the catalogue speaks to, by their number.
    """

    key: str
    title: str
    url: str
    controls: Mapping[str, str]


@functools.lru_cache(maxsize=1)
def known_controls() -> Mapping[str, Framework]:
    """Return the frameworks that rules may name."""
    text = (resources.files(__package__) / "controls.yaml").read_text("utf-8")
    document = parse_yaml("controls.yaml", text)[0]
    assert isinstance(document, dict), "controls.yaml is a mapping"
    return {
        key: Framework(
            key, one["title"], one["url"], {str(k): v for k, v in one["controls"].items()}
        )
        for key, one in document.items()
    }
