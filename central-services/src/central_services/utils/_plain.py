# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Turn any object into what JSON has, bounded and with secrets replaced on the way."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import ItemsView, Iterable, KeysView, Mapping, Sized, ValuesView
from collections.abc import Set as AbstractSet
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from itertools import islice
from types import FunctionType, MethodType
from typing import NamedTuple, Protocol, TypeGuard
from uuid import UUID

# What prints as itself and can't hold a secret.
_PRINTABLE = (date, time, timedelta, Decimal, UUID, IPv4Address, IPv6Address)
_SEQUENCES = (list, tuple, deque, AbstractSet, KeysView, ValuesView, ItemsView)
_KEY_LENGTH = 128


class Limits(NamedTuple):
    """How much of a value comes out.

    Attributes:
        depth: Containers inside containers.
        items: Members of one container.
        nodes: Members of all of them together.
        chars: Characters of one string.
    """

    depth: int = 6
    items: int = 64
    nodes: int = 512
    chars: int = 1024


class Rules(Protocol):
    """What decides about secrets; see `redaction.Redactor`."""

    limits: Limits

    def is_sensitive(self, key: object) -> bool:
        """Return whether a value of this name is secret."""

    def hide(self, value: object) -> object:
        """Return what stands for a secret."""

    def text(self, text: str) -> str:
        """Return text with the secrets in it replaced."""


def _names_a_secret(pair: object, rules: Rules) -> TypeGuard[tuple[object, object]]:
    """Whether this is a (name, value) pair, as in raw headers, with a secret's name."""
    return (
        isinstance(pair, (tuple, list))
        and len(pair) == 2
        and isinstance(pair[0], (str, bytes))
        and rules.is_sensitive(pair[0])
    )


class Walk:
    """One walk over one value; holds how much may still come out."""

    __slots__ = ("_nodes", "_path", "_rules")

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._nodes = rules.limits.nodes
        self._path: set[int] = set()

    def plain(self, value: object, depth: int = 0) -> object:
        """Return the value as strings, numbers, lists and dicts."""
        kind = type(value)
        self._nodes -= 1
        if self._nodes < 0:
            return "[too much]"
        if type(value) is str:
            return self._rules.text(value)
        if value is None or kind is bool or kind is float:
            return value
        if isinstance(value, int) and not isinstance(value, Enum):
            # JSON numbers stop at 64 bits in orjson, and str() of a huge one is an error.
            small = -(2**63) <= value < 2**64
            return int(value) if small else f"[integer of {value.bit_length()} bits]"
        if isinstance(value, (str, bytes, bytearray, memoryview, Enum, *_PRINTABLE)):
            return self._atom(value)
        if hasattr(kind, "get_secret_value"):
            return self._rules.hide("secret")
        if id(value) in self._path:
            return "[circular]"
        members = self._members(value)
        if members is None:
            return self._printed(value)
        if depth >= self._rules.limits.depth:
            return "[too deep]"
        self._path.add(id(value))
        try:
            if isinstance(members, Mapping):
                return self._mapping(members, depth + 1)
            return self._sequence(members, depth + 1)
        finally:
            self._path.discard(id(value))

    def _atom(self, value: object) -> object:
        if isinstance(value, Enum):
            return self.plain(value.value)
        if isinstance(value, str):
            return self._rules.text(str.__str__(value))
        if isinstance(value, (bytes, bytearray, memoryview)):
            most = self._rules.limits.chars + 512
            return self._rules.text(bytes(value[:most]).decode("utf-8", "replace"))
        return str(value)

    def _members(self, value: object) -> Mapping[object, object] | Iterable[object] | None:
        """Return what is inside a container or a record, or None for everything else."""
        if isinstance(value, Mapping):
            return value
        kind = type(value)
        if isinstance(value, type):
            return None
        if dataclasses.is_dataclass(value):
            # A field kept out of the repr was kept out for a reason.
            return {
                f.name: getattr(value, f.name, None) if f.repr else self._rules.hide("hidden")
                for f in dataclasses.fields(value)
            }
        fields = getattr(kind, "model_fields", None)
        if isinstance(fields, Mapping) and isinstance(getattr(value, "__dict__", None), dict):
            held = value.__dict__ | (getattr(value, "__pydantic_extra__", None) or {})
            return {
                name: content
                if getattr(fields.get(name), "repr", True)
                else self._rules.hide("hidden")
                for name, content in held.items()
            }
        names = getattr(kind, "_fields", None)
        if isinstance(value, tuple) and isinstance(names, tuple):
            return dict(zip(names, value, strict=False))
        return value if isinstance(value, _SEQUENCES) else None

    def _mapping(self, members: Mapping[object, object], depth: int) -> dict[str, object]:
        rules = self._rules
        result: dict[str, object] = {}
        # {"name": "X-Api-Key", "value": "..."}: the name stands beside the secret.
        named = "value" in members and any(
            rules.is_sensitive(members.get(role)) for role in ("name", "key")
        )
        for key, value in islice(members.items(), rules.limits.items):
            if rules.is_sensitive(key) or (named and key == "value"):
                result[self._key(key)] = rules.hide(value)
            else:
                result[self._key(key)] = self.plain(value, depth)
        if len(members) > rules.limits.items:
            result["[more]"] = len(members) - rules.limits.items
        return result

    def _key(self, key: object) -> str:
        if isinstance(key, bytes):
            key = key.decode("latin-1")
        return self._rules.text(key if type(key) is str else str(key))[:_KEY_LENGTH]

    def _sequence(self, members: Iterable[object], depth: int) -> list[object]:
        rules = self._rules
        result: list[object] = []
        for member in islice(members, rules.limits.items):
            if _names_a_secret(member, rules):
                result.append([self._key(member[0]), rules.hide(member[1])])
            else:
                result.append(self.plain(member, depth))
        size = len(members) if isinstance(members, Sized) else 0
        if size > rules.limits.items:
            result.append(f"[{size - rules.limits.items} more]")
        return result

    def _printed(self, value: object) -> str:
        if isinstance(value, BaseException):
            return self._rules.text(f"{type(value).__name__}: {printed(value, str)}")
        if isinstance(value, (type, FunctionType, MethodType)):
            return f"{value.__module__}.{value.__qualname__}"
        return self._rules.text(printed(value, repr))


def printed(value: object, how: type[str] | object = repr) -> str:
    """Return `str()` or `repr()` of an object whose own method may be broken."""
    try:
        return str(value) if how is str else repr(value)
    except Exception as error:  # noqa: BLE001  # an edge: any object's code runs here
        return f"<{type(value).__name__}: its {type(error).__name__} when printed>"
