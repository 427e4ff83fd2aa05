# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What callers get: who they are, 401, 403, 503, and an API description that says so."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import APIRouter, Depends, FastAPI

from central_services.clients import _central_auth, auth
from central_services.clients.auth import (
    CurrentUser,
    require,
    require_any,
    require_auth,
    require_role,
    require_tenant,
    service_token,
)
from tests.auth_fixtures import Issuer

pytestmark = pytest.mark.anyio

SignedIn = Callable[..., dict[str, str]]
router = APIRouter()


@router.get("/me")
async def me(user: Annotated[CurrentUser, Depends(require_auth)]) -> dict[str, Any]:
    return {"subject": user.subject, "permissions": sorted(user.permissions)}


@router.get("/write")
async def write(
    user: Annotated[CurrentUser, Depends(require("orders:write", "orders:read"))],
) -> str:
    return user.subject


@router.get("/read", dependencies=[Depends(require_any("orders:read", "orders:admin"))])
async def read() -> str:
    return "orders"


@router.get("/ours")
async def ours(user: Annotated[CurrentUser, Depends(require_tenant)]) -> str:
    return user.tenant


@router.get("/admin", dependencies=[Depends(require_role("admin", "owner"))])
async def admin() -> str:
    return "admin"


@router.get("/calls")
async def calls(token: Annotated[str, Depends(service_token(audience="urn:test:stock"))]) -> str:
    return token


@pytest.fixture
async def caller(issuer: Issuer, serve: Callable[..., Any]) -> AsyncIterator[httpx2.AsyncClient]:
    async with serve(routers=[router]) as client:
        yield client


async def test_token_lets_in_and_says_who_calls(caller: httpx2.AsyncClient, signed_in: SignedIn):
    answer = await caller.get("/me", headers=signed_in("orders:read"))
    assert answer.json() == {"subject": "user-1", "permissions": ["orders:read"]}


async def test_without_a_token_the_answer_is_a_plain_challenge(caller: httpx2.AsyncClient):
    answer = await caller.get("/me")
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == 'Bearer realm="central-services"'


async def test_bad_token_is_named_and_its_fault_is_not(caller: httpx2.AsyncClient, issuer: Issuer):
    answers = [
        await caller.get("/me", headers={"authorization": f"Bearer {token}"})
        for token in ("x", issuer.token(exp=1), issuer.token(aud="other"))
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert all('error="invalid_token"' in a.headers["www-authenticate"] for a in answers)
    assert len({answer.json()["detail"] for answer in answers}) == 1


@pytest.mark.parametrize(
    "value", ["Basic dXNlcjpwYXNz", "Bearer", "Bearer ", "Digest x", "TOKEN", ""]
)
async def test_other_kinds_of_credentials_are_refused(caller: httpx2.AsyncClient, value: str):
    answer = await caller.get("/me", headers={"authorization": value})
    assert answer.status_code == 401


async def test_scheme_may_be_spelt_in_any_case(caller: httpx2.AsyncClient, issuer: Issuer):
    headers = {"authorization": f"bEARER {issuer.token()}"}
    assert (await caller.get("/me", headers=headers)).status_code == 200


async def test_two_tokens_are_refused_even_when_both_are_good(
    caller: httpx2.AsyncClient, issuer: Issuer
):
    one = ("authorization", f"Bearer {issuer.token()}")
    answer = await caller.get("/me", headers=[one, one])
    assert answer.status_code == 401
    assert 'error="invalid_request"' in answer.headers["www-authenticate"]


async def test_token_in_a_query_or_cookie_is_none(caller: httpx2.AsyncClient, issuer: Issuer):
    token = issuer.token()
    assert (await caller.get(f"/me?access_token={token}")).status_code == 401
    assert (await caller.get("/me", headers={"cookie": f"access_token={token}"})).status_code == 401


async def test_every_permission_is_needed(caller: httpx2.AsyncClient, signed_in: SignedIn):
    refused = await caller.get("/write", headers=signed_in("orders:write"))
    assert refused.status_code == 403
    challenge = refused.headers["www-authenticate"]
    assert 'error="insufficient_scope", scope="orders:write orders:read"' in challenge
    answer = await caller.get("/write", headers=signed_in("orders:write", "orders:read"))
    assert answer.json() == "user-1"


@pytest.mark.parametrize(
    ("roles", "status"), [(["admin"], 200), (["owner", "x"], 200), (["x"], 403)]
)
async def test_one_of_the_roles_is_enough(
    caller: httpx2.AsyncClient, signed_in: SignedIn, roles: list[str], status: int
):
    assert (await caller.get("/admin", headers=signed_in(roles=roles))).status_code == status


async def test_issuer_that_was_never_reached_is_503_and_readiness_says_so(
    caller: httpx2.AsyncClient, issuer: Issuer, signed_in: SignedIn
):
    issuer.answers = {"/jwks": (500, {})}
    answer = await caller.get("/me", headers=signed_in())
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    ready = (await caller.get("/health/ready")).json()
    assert ready["degraded"] == ["central_auth"]


async def test_readiness_fetches_the_keys(caller: httpx2.AsyncClient, issuer: Issuer):
    ready = (await caller.get("/health/ready")).json()
    assert ready["checks"]["central_auth"]["status"]
    assert issuer.requests.count("/jwks") == 1


async def test_sentry_is_told_who_calls(
    caller: httpx2.AsyncClient, signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch
):
    told: list[dict[str, str]] = []
    monkeypatch.setattr(auth, "set_user_context", lambda **user: told.append(user))
    await caller.get("/me", headers=signed_in())
    assert told == [{"user_id": "user-1"}]


async def test_one_of_several_permissions_is_enough(
    caller: httpx2.AsyncClient, signed_in: SignedIn
):
    for name in ("orders:read", "orders:admin"):
        assert (await caller.get("/read", headers=signed_in(name))).status_code == 200
    answer = await caller.get("/read", headers=signed_in("orders:write"))
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:slipway:auth:forbidden")
    assert 'scope="orders:read orders:admin"' in answer.headers["www-authenticate"]


async def test_tenant_is_that_of_the_token(caller: httpx2.AsyncClient, signed_in: SignedIn):
    assert (await caller.get("/ours", headers=signed_in())).json() == "acme"
    answer = await caller.get("/ours", headers=signed_in(org=None))
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


async def test_own_token_is_got_once_for_calls_to_another_service(
    issuer: Issuer, serve: Callable[..., Any]
):
    settings = {"issuer": issuer.url, "client_id": "me", "client_secret": "p:w d"}
    async with serve(routers=[router], central_auth=settings) as client:
        first, second = [(await client.get("/calls")).json() for _ in range(2)]
    assert first == second
    # The service may ask for other tokens of its own, such as that of the audit client.
    (form,) = [one for one in issuer.issued if one["resource"] == "urn:test:stock"]
    assert form["grant_type"] == "client_credentials"
    assert form["authorization"] == "Basic bWU6cCUzQXclMjBk"


async def test_service_without_credentials_says_so(caller: httpx2.AsyncClient):
    answer = await caller.get("/calls")
    assert answer.status_code == 503
    assert "no credentials" in answer.json()["detail"]


def test_api_description_asks_for_a_bearer_token(issuer: Issuer):
    app = FastAPI()
    app.include_router(router)
    described = app.openapi()
    assert described["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert described["paths"]["/admin"]["get"]["security"] == [{"bearer": []}]
    assert "security" not in described["paths"]["/calls"]["get"]


def test_every_refusal_is_an_error_with_a_status():
    errors = (
        _central_auth.UnauthenticatedError,
        _central_auth.PermissionDeniedError,
        _central_auth.AuthUnavailableError,
    )
    assert [error.status for error in errors] == [401, 403, 503]
