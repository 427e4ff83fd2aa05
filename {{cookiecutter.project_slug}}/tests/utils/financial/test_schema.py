# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""`Money` as a field: what comes in over HTTP, what goes out, and what OpenAPI says."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from {{ cookiecutter.project_slug }}.utils.financial import Money, PositiveMoney


class Invoice(BaseModel):
    total: Money
    fees: list[Money] = []


ADAPTER = TypeAdapter(Money)


@settings(deadline=None)
@given(st.integers(-(10**35), 10**35), st.sampled_from(["EUR", "JPY", "KWD", "CLF"]))
def test_json_round_trip_keeps_the_amount(units: int, code: str) -> None:
    money = Money.from_minor_units(units, code)
    written = ADAPTER.dump_json(money)
    assert json.loads(written) == {"amount": money.amount_text, "currency": code}
    assert ADAPTER.validate_json(written) == money
    assert ADAPTER.validate_python(json.loads(written)) == money


def test_money_stays_money_in_python() -> None:
    invoice = Invoice(total=Money("10.50", "EUR"))
    assert invoice.model_dump()["total"] == Money("10.50", "EUR")
    assert Invoice.model_validate(invoice.model_dump()) == invoice


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ('{"amount": 10.5, "currency": "EUR"}', "valid string"),
        ('{"amount": 10, "currency": "EUR"}', "valid string"),
        ('{"amount": null, "currency": "EUR"}', "valid string"),
        ('{"amount": "10.505", "currency": "EUR"}', "at most 2 decimals"),
        ('{"amount": "1.0", "currency": "JPY"}', "no decimals"),
        ('{"amount": "1e5", "currency": "EUR"}', "pattern"),
        ('{"amount": "NaN", "currency": "EUR"}', "pattern"),
        ('{"amount": "1\\n", "currency": "EUR"}', "pattern"),
        ('{"amount": "\u0661", "currency": "EUR"}', "pattern"),
        ('{"amount": "' + "9" * 5_000 + '", "currency": "EUR"}', "at most 42 characters"),
        ('{"amount": "' + "9" * 36 + '", "currency": "EUR"}', "at most 36 digits"),
        ('{"amount": "10", "currency": "DEM"}', "withdrawn"),
        ('{"amount": "10", "currency": "XXX"}', "no minor unit"),
        ('{"amount": "10", "currency": "eur"}', "pattern"),
        ('{"amount": "10", "currency": "ABC"}', "not a currency code"),
        ('{"amount": "10", "currency": 978}', "valid string"),
        ('{"amount": "10"}', "required"),
        ('{"amount": "10", "currency": "EUR", "cents": 5}', "not permitted"),
        ('"EUR 10"', ("valid dictionary", "be an object")),
        ("10.5", ("valid dictionary", "be an object")),
        ("NaN", ("valid dictionary", "be an object")),
    ],
)
def test_what_is_no_amount_is_refused_with_one_reason(
    value: str, why: str | tuple[str, str]
) -> None:
    reasons = []
    for validate in (ADAPTER.validate_json, lambda text: ADAPTER.validate_python(json.loads(text))):
        with pytest.raises(ValidationError) as refused:
            validate(value)
        (error,) = refused.value.errors()
        reasons.append(error["msg"])
    wanted = (why, why) if isinstance(why, str) else why
    assert all(part in reason for part, reason in zip(reversed(wanted), reasons, strict=True))


@pytest.mark.parametrize("value", [10, 10.5, Decimal("10.50"), "EUR 10", ("10", "EUR"), None])
def test_python_values_that_are_no_money_are_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        ADAPTER.validate_python(value)


def test_stored_amount_in_a_withdrawn_currency_is_read_when_asked_for() -> None:
    stored = '{"amount": "10.00", "currency": "DEM"}'
    read = ADAPTER.validate_json(stored, context={"historic_currencies": True})
    assert read == Money("10", "DEM", historic=True)
    with pytest.raises(ValidationError):
        ADAPTER.validate_json(stored, context={"historic_currencies": False})


@pytest.mark.parametrize("amount", ["0", "-0.01"])
def test_positive_money_is_above_zero(amount: str) -> None:
    adapter: TypeAdapter[Money] = TypeAdapter(PositiveMoney)
    assert adapter.validate_python(Money("0.01", "EUR")) == Money("0.01", "EUR")
    with pytest.raises(ValidationError, match="above zero"):
        adapter.validate_python({"amount": amount, "currency": "EUR"})


@pytest.fixture
def client() -> TestClient:
    """Return a client of a service that returns the invoices it gets."""
    app = FastAPI()

    @app.post("/invoices")
    async def post(invoice: Invoice) -> Invoice:
        return invoice

    return TestClient(app)


def test_money_travels_over_http(client: TestClient) -> None:
    sent = {"total": {"amount": "10.5", "currency": "EUR"}, "fees": []}
    answer = client.post("/invoices", json=sent)
    assert answer.json() == {"total": {"amount": "10.50", "currency": "EUR"}, "fees": []}
    sent["total"] = {"amount": 10.5, "currency": "EUR"}
    assert client.post("/invoices", json=sent).status_code == 422


def test_openapi_describes_one_component_for_both_directions(client: TestClient) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    assert schemas["Invoice"]["properties"]["total"] == {"$ref": "#/components/schemas/Money"}
    money = schemas["Money"]
    assert (money["type"], money["additionalProperties"]) == ("object", False)
    assert money["required"] == ["amount", "currency"]
    assert money["properties"]["amount"]["type"] == "string"
    assert money["properties"]["amount"]["maxLength"] == 42
    assert ADAPTER.json_schema(mode="validation") == ADAPTER.json_schema(mode="serialization")
