"""Which JSON Schemas are taken: draft 2020-12, small, closed in themselves, and quick on every event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema_rs

from ...audit.canonical import canonical
from ...audit.errors import InvalidEventError
from .errors import InvalidSchemaError

MAX_BYTES = 65_536
MAX_DEPTH = 32
MAX_EXPANDED = 10_000
"""Values that a schema may have once every reference is replaced by what it refers to."""

DRAFT = "https://json-schema.org/draft/2020-12/schema"
_REFUSED = frozenset({"$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef"})
_MAX_ERRORS = 5


def check_schema(schema: object) -> bytes:
    """Return a schema as canonical JSON.

    Raises:
        InvalidSchemaError: It is none, or none that is taken here; the text says why.
    """
    if not isinstance(schema, dict):
        raise InvalidSchemaError("A schema is a JSON object.")
    _check_depth(schema, 0)
    try:
        text = canonical(schema)
    except InvalidEventError as error:
        raise InvalidSchemaError(f"It is {error}.") from None
    if len(text) > MAX_BYTES:
        raise InvalidSchemaError(f"At most {MAX_BYTES} bytes.")
    if schema.get("$schema", DRAFT) != DRAFT:
        raise InvalidSchemaError(f"Only {DRAFT} is taken.")
    for part in _objects(schema):
        if refused := sorted(_REFUSED & part.keys()):
            raise InvalidSchemaError(f"{refused[0]} is not taken: refer with $ref to #/$defs/...")
    _expanded(schema, schema, (), {})
    compile_schema(schema)
    return text


def compile_schema(schema: Mapping[str, Any]) -> jsonschema_rs.Draft202012Validator:
    """Return what validates events.

    Patterns run on an engine whose time grows with the text alone (no backtracking), nothing is fetched.

    Raises:
        InvalidSchemaError: It is no JSON Schema.
    """
    try:
        jsonschema_rs.meta.validate({"$schema": DRAFT, **schema})
        return jsonschema_rs.Draft202012Validator(
            dict(schema),
            validate_formats=True,
            retriever=_refuse,
            pattern_options=jsonschema_rs.RegexOptions(size_limit=1_000_000),
        )
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        reason = str(error).splitlines()[0][:300]
        raise InvalidSchemaError(f"It is no JSON Schema: {reason}") from None


def errors_of(
    validator: jsonschema_rs.Draft202012Validator, data: object
) -> Iterator[tuple[str, str]]:
    """Yield where data does not fit (a JSON pointer) and which rule it breaks, never what it says."""
    for count, error in enumerate(validator.iter_errors(data)):
        if count == _MAX_ERRORS:
            return
        where = "".join(f"/{_escaped(str(step))}" for step in error.instance_path)
        rule = "/".join(str(step) for step in error.schema_path)
        yield where, f"does not fit the schema: {rule}"


def _refuse(uri: str) -> None:
    raise ValueError(f"{uri} is not in the schema")


def _escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")


def _check_depth(value: object, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise InvalidSchemaError(f"At most {MAX_DEPTH} levels deep.")
    for child in _children(value):
        _check_depth(child, depth + 1)


def _children(value: object) -> list[object]:
    """Return what a JSON value consists of."""
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _objects(value: object) -> Iterator[Mapping[str, Any]]:
    """Yield every object in a value, schemas and others."""
    if isinstance(value, dict):
        yield value
    for child in _children(value):
        yield from _objects(child)


def _expanded(
    root: Mapping[str, Any], value: object, way: tuple[str, ...], known: dict[str, int]
) -> int:
    """Return how many values there are once references are followed.

    Raises:
        InvalidSchemaError: They lead in a circle, nowhere, outside, or to too much.
    """
    size = 1 + sum(_expanded(root, child, way, known) for child in _children(value))
    reference = value.get("$ref") if isinstance(value, dict) else None
    if reference is not None:
        if not isinstance(reference, str) or not reference.startswith("#/"):
            raise InvalidSchemaError(
                "$ref refers to a part of the same schema, as in #/$defs/name."
            )
        if reference in way:
            raise InvalidSchemaError("References lead in a circle.")
        if reference not in known:
            target = resolve(root, reference)
            known[reference] = _expanded(root, target, (*way, reference), known)
        size += known[reference]
    if size > MAX_EXPANDED:
        raise InvalidSchemaError("References make it too large.")
    return size


def resolve(root: Mapping[str, Any], reference: str) -> object:
    """Return what a reference refers to.

    Raises:
        InvalidSchemaError: There is nothing.
    """
    found: object = root
    for step in reference.removeprefix("#/").split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        elif isinstance(found, dict) and name in found:
            found = found[name]
        else:
            raise InvalidSchemaError(f"{reference} refers to nothing.")
    return found
