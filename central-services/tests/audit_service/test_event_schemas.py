"""Schemas of actions: registered once, compatible, and held against each event."""

from __future__ import annotations

import time
from typing import Any

import httpx2
import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from central_services.audit_service.event_schemas.checking import check_schema
from central_services.audit_service.event_schemas.compatibility import incompatibilities
from central_services.audit_service.event_schemas.errors import InvalidSchemaError

from .conftest import Harness, Json, make_event

ADMIN = "audit:admin"


def of_parcels(**properties: Any) -> Json:
    """Return a schema of `data.unmapped.parcel`, which lets the rest of the event be."""
    parcel = {
        "type": "object",
        "required": ["weight"],
        "properties": {"weight": {"type": "integer", "minimum": 1}, **properties},
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "required": ["unmapped"],
        "properties": {
            "unmapped": {
                "type": "object",
                "required": ["parcel"],
                "properties": {"parcel": {"$ref": "#/$defs/parcel"}}
                if not properties
                else {"parcel": parcel},
            }
        },
        **({} if properties else {"$defs": {"parcel": parcel}}),
    }


def parcel_event(number: int = 1, weight: Any = 5, **changes: Any) -> Json:
    """Return an event about a parcel."""
    return make_event(number, data={"unmapped": {"parcel": {"weight": weight}}}, **changes)


async def put(
    audit: Harness, version: int, schema: object, *permissions: str, org: str = "acme"
) -> httpx2.Response:
    """Store a schema of order.shipped."""
    headers = audit.headers(*(permissions or [ADMIN]), org=org)
    path = f"/v1/schemas/order.shipped/{version}"
    return await audit.http.put(path, json=schema, headers=headers)


@pytest.mark.anyio
async def test_an_event_has_to_fit_the_newest_schema_of_its_action(audit: Harness) -> None:
    assert (await audit.send(make_event(1))).status_code == 200
    assert (await put(audit, 1, of_parcels())).status_code == 201
    good, other = parcel_event(2), make_event(3, data={"activity_name": "order.seen"})
    assert (await audit.send(good, other)).status_code == 200
    refused = await audit.send(parcel_event(4), parcel_event(5, weight=0), make_event(6))
    assert refused.status_code == 422
    assert refused.json()["type"] == "urn:slipway:audit:invalid-events"
    found = [(error["index"], error["pointer"]) for error in refused.json()["errors"]]
    assert found == [(1, "#/1/data/unmapped/parcel/weight"), (2, "#/2/data")]
    await audit.sealed()
    items = (await audit.get("/v1/events"))["items"]
    assert sorted(item["id"] for item in items) == ["event-1", "event-2", "event-3"]
    # Another organisation has no such schema.
    assert (await audit.send(make_event(7), org="other")).status_code == 200


@pytest.mark.anyio
async def test_an_event_may_name_an_older_schema(audit: Harness) -> None:
    wider = {"type": "object", "properties": {"count": {"type": ["string", "integer"]}}}
    first = {"type": "object", "properties": {"count": {"type": "integer"}}}
    assert (await put(audit, 1, first)).status_code == 201
    named = (await put(audit, 2, wider)).json()["dataschema"]
    assert named == "urn:slipway:schema:order.shipped:2"
    text = {"count": "five"}
    answers = [
        await audit.send(make_event(at, data=text, **({"dataschema": name} if name else {})))
        for at, name in enumerate(["", named, named[:-1] + "1", named[:-1] + "3", "https://x/1"])
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 422, 422, 422]
    assert [answer.json()["errors"][0]["pointer"] for answer in answers[2:]] == [
        "#/0/data/count",
        "#/0/dataschema",
        "#/0/dataschema",
    ]


@pytest.mark.anyio
async def test_a_stored_schema_never_changes(audit: Harness) -> None:
    assert (await put(audit, 2, of_parcels())).status_code == 409
    assert (await put(audit, 1, of_parcels())).status_code == 201
    assert (await put(audit, 1, of_parcels())).status_code == 200
    changed = await put(audit, 1, {"type": "object"})
    assert (changed.status_code, changed.json()["type"]) == (
        409,
        "urn:slipway:audit:schema-exists",
    )
    tightened = await put(audit, 2, {"type": "object", "required": ["surprise"]})
    assert (tightened.status_code, tightened.json()["type"]) == (
        409,
        "urn:slipway:audit:incompatible-schema",
    )
    assert (await put(audit, 1, of_parcels(), "audit:write")).status_code == 403
    shown = await audit.get("/v1/schemas/order.shipped/1")
    assert shown == of_parcels()
    page = await audit.get("/v1/schemas")
    assert [(item["action"], item["version"]) for item in page["items"]] == [("order.shipped", 1)]
    headers = audit.headers("audit:read", org="other")
    answer = await audit.http.get("/v1/schemas/order.shipped/1", headers=headers)
    assert answer.status_code == 404


@pytest.mark.anyio
async def test_a_strict_organisation_takes_no_action_without_a_schema(audit: Harness) -> None:
    headers = audit.headers(ADMIN)
    answer = await audit.http.put("/v1/schema-policy", json={"strict": True}, headers=headers)
    assert answer.status_code == 200
    assert (await audit.get("/v1/schema-policy")) == {"strict": True}
    refused = await audit.send(make_event(1))
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "#/0")
    assert (await put(audit, 1, {"type": "object"})).status_code == 201
    assert (await audit.send(make_event(1))).status_code == 200
    assert (await audit.send(make_event(2), org="other")).status_code == 200


# --- what is taken -------------------------------------------------------------------------------


def deep(levels: int) -> Json:
    """Return a schema in a schema in a schema."""
    found: Json = {}
    for _ in range(levels):
        found = {"not": found}
    return found


DOUBLED = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)}


@pytest.mark.parametrize(
    "schema",
    [
        [],
        {"type": "parcel"},
        {"$ref": "https://example.com/schema.json"},
        {"$ref": "file:///etc/passwd"},
        {"$ref": "#"},
        {"$ref": "#/$defs/a"},
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
        {"$defs": {**DOUBLED, "d40": {"type": "string"}}, "$ref": "#/$defs/d0"},
        {"$id": "https://example.com/", "type": "object"},
        {"$dynamicRef": "#node"},
        {"$schema": "http://json-schema.org/draft-07/schema#"},
        {"pattern": "("},
        {"pattern": "(?=a)b"},
        {"pattern": "(a{1000}){1000}"},
        {"enum": ["x" * 70_000]},
        deep(40),
        {"minimum": 2**60},
    ],
)
def test_a_schema_that_could_do_harm_is_refused(schema: object) -> None:
    with pytest.raises(InvalidSchemaError):
        check_schema(schema)


@pytest.mark.anyio
async def test_no_pattern_takes_long(audit: Harness) -> None:
    evil = {"type": "object", "properties": {"note": {"pattern": "^(([a-z])+.)+[A-Z]([a-z])+$"}}}
    assert (await put(audit, 1, evil)).status_code == 201
    begun = time.process_time()
    answer = await audit.send(make_event(1, data={"note": "a" * 30_000}))
    assert answer.status_code == 422
    assert time.process_time() - begun < 5  # with backtracking it would outlive us all


# --- compatibility -------------------------------------------------------------------------------


def with_property(schema: Json | bool, **more: Any) -> Json:
    """Return an object's schema."""
    return {"type": "object", "properties": {"a": schema}, **more}


NUMBER, TEXT = {"type": "number"}, {"type": "string"}


@pytest.mark.parametrize(
    ("old", "new", "fits"),
    [
        (with_property({"type": "integer"}), with_property(NUMBER), True),
        (with_property(NUMBER), with_property({"type": "integer"}), False),
        (with_property(NUMBER, required=["a"]), with_property(NUMBER), True),
        (with_property(NUMBER), with_property(NUMBER, required=["a"]), False),
        (with_property({"enum": ["x"]}), with_property({"enum": ["y", "x"]}), True),
        (with_property({"enum": ["x", "y"]}), with_property({"enum": ["x"]}), False),
        (with_property({"enum": [True]}), with_property({"enum": [1]}), False),
        (with_property({"minimum": 2}), with_property({"minimum": 1}), True),
        (with_property({"minimum": 1}), with_property({"minimum": 2}), False),
        (with_property({"pattern": "a"}), with_property({}), True),
        (with_property({}), with_property({"pattern": "a"}), False),
        # What is added falls under additionalProperties of the version before.
        (
            {"properties": {}, "additionalProperties": False},
            {"properties": {"a": TEXT}, "additionalProperties": False},
            True,
        ),
        ({"properties": {}}, {"properties": {"a": TEXT}}, False),
        (with_property(TEXT), {"type": "object", "additionalProperties": False}, False),
        (with_property(TEXT), {"type": "object"}, True),
        ({"items": {"type": "integer"}}, {"items": NUMBER}, True),
        ({}, {"items": NUMBER}, False),
        ({"title": "One"}, {"title": "Two", "description": "New"}, True),
        (
            {"$ref": "#/$defs/a", "$defs": {"a": {}}},
            {"$ref": "#/$defs/a", "$defs": {"a": TEXT}},
            False,
        ),
        ({"if": TEXT, "then": {"minLength": 2}}, {"if": TEXT}, False),
        (
            {"patternProperties": {"a": TEXT}},
            {"patternProperties": {"a": TEXT}, "properties": {"a": {}}},
            False,
        ),
    ],
)
def test_a_new_version_takes_what_the_last_one_took(
    old: Json, new: Json, fits: bool
) -> None:  # a case
    assert (list(incompatibilities(old, new)) == []) is fits


_VALUES = st.recursive(
    st.sampled_from([None, True, False, 0, 1, 2.5, -3, "", "a", "bb"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=4,
)
_LEAVES = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(
            ["string", "integer", "number", "object", "array", ["null", "boolean"]]
        ),
        "enum": st.lists(_VALUES, min_size=1, max_size=3),
        "minimum": st.integers(-3, 3),
        "maxLength": st.integers(0, 2),
        "minLength": st.integers(0, 2),
        "required": st.lists(st.sampled_from("ab"), unique=True, max_size=2),
        "maxProperties": st.integers(0, 2),
        "uniqueItems": st.booleans(),
        "title": st.sampled_from("xy"),
    },
)
_SCHEMAS = st.recursive(
    st.one_of(st.booleans(), _LEAVES),
    lambda inner: st.builds(
        lambda leaf, more: {**(leaf if isinstance(leaf, dict) else {}), **more},
        _LEAVES,
        st.fixed_dictionaries(
            {},
            optional={
                "properties": st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
                "additionalProperties": inner,
                "items": inner,
                "not": inner,
                "anyOf": st.lists(inner, min_size=1, max_size=2),
                "patternProperties": st.dictionaries(st.just("^a"), inner, max_size=1),
                "if": inner,
                "then": inner,
            },
        ),
    ),
    max_leaves=3,
)


_KEYWORDS = ("type", "enum", "minimum", "maxLength", "required", "properties", "items", "not", "if")


def test_what_is_called_compatible_is() -> None:
    compatible = 0

    @settings(max_examples=150, deadline=None, database=None, derandomize=True)
    @given(
        old=_SCHEMAS,
        other=_SCHEMAS,
        dropped=st.sets(st.sampled_from(_KEYWORDS)),
        taken=st.sets(st.sampled_from(_KEYWORDS), max_size=2),
        values=st.lists(_VALUES, min_size=5, max_size=15),
    )
    def check(old: Any, other: Any, dropped: set[str], taken: set[str], values: list[Any]) -> None:
        nonlocal compatible
        new = other
        if isinstance(old, dict) and isinstance(other, dict):
            # Most often a change of the old one: two that chance made are hardly ever compatible.
            new = {name: part for name, part in old.items() if name not in dropped}
            new |= {name: part for name, part in other.items() if name in taken}
        if any(True for _ in incompatibilities(old, new)):
            return
        compatible += old != new
        before, after = (jsonschema_rs.Draft202012Validator(schema) for schema in (old, new))
        for value in values:
            assert after.is_valid(value) or not before.is_valid(value)

    check()
    assert compatible > 10
