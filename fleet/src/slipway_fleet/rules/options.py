"""Read the options of a check from its rule file: what is unknown, missing or of a wrong type is named."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

from .errors import RuleFileError

T = TypeVar("T")


class Options:
    """The options of one check; every one must be asked for, so that a misspelt one is found."""

    def __init__(self, place: str, values: Mapping[str, object]) -> None:
        """Take what a rule file says."""
        self.place = place
        self._values = dict(values)

    def _take(self, name: str, kind: type[T], default: T | None) -> T:
        value = self._values.pop(name, default)
        if value is None:
            raise RuleFileError(self.place, f"the check needs `{name}`")
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise RuleFileError(self.place, f"`{name}` must be of type {kind.__name__}")
        return value

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text."""
        return self._take(name, str, default)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return true or false."""
        return self._take(name, bool, default)

    def number(self, name: str, default: int | None = None) -> int:
        """Return a whole number."""
        return self._take(name, int, default)

    def texts(self, name: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Return a list of texts; one text is a list of one."""
        value = self._values.pop(name, default)
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, (list, tuple)) or not all(isinstance(v, str) for v in listed):
            raise RuleFileError(self.place, f"`{name}` must be a list of texts")
        return tuple(listed)

    def mapping(self, name: str, default: dict[str, object] | None = None) -> dict[str, object]:
        """Return a mapping."""
        return self._take(name, dict, default)

    def mappings(self, name: str) -> list[Options]:
        """Return a list of mappings, each as options of its own."""
        listed = self._take(name, list, None)
        if not listed or not all(isinstance(one, dict) for one in listed):
            raise RuleFileError(self.place, f"`{name}` must be a list of mappings")
        return [Options(f"{self.place}, {name}", one) for one in listed]

    def pattern(self, name: str, default: str | None = None) -> re.Pattern[str]:
        """Return a regular expression."""
        try:
            return re.compile(self.text(name, default))
        except re.error as error:
            raise RuleFileError(
                self.place, f"`{name}` is no regular expression: {error}"
            ) from error

    def has(self, name: str) -> bool:
        """Return whether an option is given."""
        return name in self._values

    def take(self, name: str) -> object:
        """Return an option of any type, or None."""
        return self._values.pop(name, None)

    def done(self) -> None:
        """Refuse what nobody asked for."""
        if self._values:
            unknown = ", ".join(sorted(map(str, self._values)))
            raise RuleFileError(self.place, f"the check does not know {unknown}")
