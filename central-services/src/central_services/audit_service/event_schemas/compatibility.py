"""Backward compatibility, as schema registries mean it: a new version takes every event that the last one took.

Whether one schema contains another can't be decided quickly in general. What is checked is exactly this:
a keyword may be loosened, or removed where that can only loosen; whatever else differs is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

_NOTES = frozenset(
    {"title", "description", "$comment", "examples", "default", "deprecated", "$schema"}
    | {"readOnly", "writeOnly"}
)
_LEAST = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"})
_MOST = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"})
_OBJECT = frozenset({"properties", "additionalProperties"})
_REMOVABLE = (
    _LEAST
    | _MOST
    | {
        *("type", "enum", "const", "required", "pattern", "format", "multipleOf", "uniqueItems"),
        *("items", "allOf", "anyOf", "oneOf", "not", "propertyNames", "dependentRequired"),
    }
)
_ENTANGLED = frozenset(
    {"patternProperties", "unevaluatedProperties", "unevaluatedItems", "prefixItems", "$defs"}
    | {"$ref", "if", "then", "else", "contains", "minContains", "maxContains", "dependentSchemas"}
)
"""Keywords whose meaning rests on others: they, and what stands beside them, have to stay as they are."""


def incompatibilities(old: Any, new: Any, where: str = "") -> Iterator[tuple[str, str]]:  # noqa: ANN401  # any JSON
    """Yield where a new schema may refuse what the old one takes, and why."""
    if _same(old, new) or old is False or new is True:
        return
    if old is True:
        old = {}
    if new is False or not isinstance(old, dict) or not isinstance(new, dict):
        yield where, "refuses everything"
        return
    if any(not _same(old.get(name), new.get(name)) for name in _ENTANGLED):
        yield where, f"one of {', '.join(sorted(_ENTANGLED & (old.keys() | new.keys())))} differs"
        return
    if "patternProperties" in old and any(not _same(old.get(n), new.get(n)) for n in _OBJECT):
        yield where, "properties differ beside patternProperties"
        return
    yield from _keywords(old, new, where)
    yield from _objects(old, new, where)


def _keywords(
    old: Mapping[str, Any], new: Mapping[str, Any], where: str
) -> Iterator[tuple[str, str]]:
    for name in sorted((old.keys() | new.keys()) - _NOTES - _OBJECT - _ENTANGLED):
        at = f"{where}/{name}"
        if name in old and name in new and _same(old[name], new[name]):
            continue
        if name not in new and name in _REMOVABLE:
            continue
        if name == "items":
            yield from incompatibilities(old.get(name, True), new[name], at)
        elif not _is_looser(name, old.get(name), new.get(name)):
            yield at, "was added or tightened"


def _is_looser(name: str, old: Any, new: Any) -> bool:  # noqa: ANN401  # any JSON
    """Whether a keyword that differs takes all that it took."""
    if name == "required":
        return set(new) <= set(old or ())
    if old is None or new is None:
        return False
    if name in _LEAST:
        return bool(new <= old)
    if name in _MOST:
        return bool(new >= old)
    if name == "enum":
        return all(any(_same(value, other) for other in new) for value in old)
    if name == "type":
        wide = _types(new)
        return all(kind in wide or (kind == "integer" and "number" in wide) for kind in _types(old))
    if name == "uniqueItems":
        return not new
    return False


def _types(value: Any) -> set[str]:  # noqa: ANN401  # any JSON
    return {value} if isinstance(value, str) else set(value)


def _same(one: object, other: object) -> bool:
    """Whether two JSON values are the same; to Python true is 1."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _objects(
    old: Mapping[str, Any], new: Mapping[str, Any], where: str
) -> Iterator[tuple[str, str]]:
    """Compare what is said of each property: what is not named falls under additionalProperties."""
    before, after = old.get("properties", {}), new.get("properties", {})
    rest_before = old.get("additionalProperties", True)
    rest_after = new.get("additionalProperties", True)
    for name in sorted(before.keys() | after.keys()):
        was, is_ = before.get(name, rest_before), after.get(name, rest_after)
        yield from incompatibilities(was, is_, f"{where}/properties/{name}")
    yield from incompatibilities(rest_before, rest_after, f"{where}/additionalProperties")
