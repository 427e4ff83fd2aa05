"""Token exchange (RFC 8693): services that act for users, and never get more than they had."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest

from .conftest import ISSUER, Harness, Start

pytestmark = pytest.mark.anyio

Json = dict[str, Any]
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS = "urn:ietf:params:oauth:token-type:access_token"
ORDERS, BILLING = "https://orders.example.com", "https://billing.example.com"


@dataclass
class Services:
    """An auth service with the confidential clients `orders` and `billing`.

    `orders` may act for users of the public client `spa`, `billing` for those of `orders`.
    """

    auth: Harness
    secrets: dict[str, str] = field(default_factory=dict)

    async def add(self, name: str, **changes: Any) -> httpx2.Response:
        body = {
            "id": name,
            "name": name,
            "grant_types": [EXCHANGE, "client_credentials"],
            "scopes": ["profile", "jobs:run"],
            "permissions": ["jobs:read"],
            **changes,
        }
        headers = {"Authorization": f"Bearer {await self.auth.own_token()}"}
        answer = await self.auth.http.post("/admin/clients", json=body, headers=headers)
        self.secrets[name] = answer.json().get("secret", "")
        return answer

    async def exchange(self, client: str, token: str, **changes: Any) -> httpx2.Response:
        form = {
            "grant_type": EXCHANGE,
            "subject_token": token,
            "subject_token_type": ACCESS,
            **changes,
        }
        data = {name: value for name, value in form.items() if value is not None}
        auth = (client, self.secrets[client])
        return await self.auth.http.post("/oauth2/token", data=data, auth=auth)

    async def exchanged(self, client: str, token: str, **changes: Any) -> str:
        answer = await self.exchange(client, token, **changes)
        assert answer.status_code == 200, answer.text
        found: str = answer.json()["access_token"]
        return found

    async def own(self, client: str) -> str:
        answer = await self.auth.http.post(
            "/oauth2/token",
            data={"grant_type": "client_credentials"},
            auth=(client, self.secrets[client]),
        )
        return str(answer.json()["access_token"])

    async def is_active(self, token: str) -> bool:
        answer = await self.auth.http.post("/auth/verify", json={"token": token})
        return bool(answer.json()["active"])


def claims(token: str) -> Json:
    found: Json = json.loads(urlsafe_b64decode(token.split(".")[1] + "=="))
    return found


def refused(answer: httpx2.Response, error: str = "invalid_request") -> bool:
    return (answer.status_code, answer.json()["error"]) == (400, error)


@pytest.fixture
async def services(auth: Harness) -> Services:
    found = Services(auth)
    await found.add("orders", audiences=[ORDERS, BILLING], may_act_for=["spa"])
    await found.add("billing", audiences=[BILLING], may_act_for=["orders"])
    return found


async def test_service_acts_for_a_user_and_the_token_says_so(services: Services) -> None:
    user = (await services.auth.tokens())["access_token"]
    answer = await services.exchange("orders", user, audience=BILLING)
    body = answer.json()
    assert (body["issued_token_type"], body["token_type"]) == (ACCESS, "Bearer")
    assert "refresh_token" not in body
    found, before = claims(body["access_token"]), claims(user)
    assert (found["sub"], found["client_id"]) == (before["sub"], "orders")
    assert found["act"] == {"sub": "orders"}
    assert found["aud"] == BILLING
    assert found["scope"] == body["scope"] == "profile"
    assert found["permissions"] == ["orders:read", "orders:write"]
    assert found["exp"] <= before["exp"]
    assert answer.headers["cache-control"] == "no-store"


async def test_chain_of_actors_is_kept_in_order_and_bounded(services: Services) -> None:
    token = await services.exchanged("orders", (await services.auth.tokens())["access_token"])
    token = await services.exchanged("billing", token)
    assert claims(token)["act"] == {"sub": "billing", "act": {"sub": "orders"}}
    for n in range(3):
        before = ["billing", "link0", "link1"][n]
        await services.add(f"link{n}", audiences=[BILLING], may_act_for=[before])
        token = await services.exchanged(f"link{n}", token)
    await services.add("last", audiences=[BILLING], may_act_for=["link2"])
    assert refused(await services.exchange("last", token))


async def test_only_clients_that_are_named_may_act_for_users_of_another(
    services: Services,
) -> None:
    user = (await services.auth.tokens())["access_token"]
    assert refused(await services.exchange("billing", user))
    assert "token.refused" in services.auth.audited
    await services.add("idle", grant_types=["client_credentials"])
    assert refused(await services.exchange("idle", user), "unauthorized_client")


async def test_exchange_never_widens_scope_permissions_or_audience(services: Services) -> None:
    auth = services.auth
    user = (await auth.tokens(scope="openid profile"))["access_token"]
    for scope in ("profile jobs:run", "email", "openid"):
        assert refused(await services.exchange("orders", user, scope=scope), "invalid_scope")
    for name in ("audience", "resource"):
        wrong = await services.exchange("orders", user, **{name: "https://else.example.com"})
        assert refused(wrong, "invalid_target")
    # A role that is given later does not get into what was issued before.
    headers = {"Authorization": f"Bearer {await auth.own_token()}"}
    path = "/admin/organisations/acme/roles/clerk"
    more = {"permissions": ["orders:read", "auth:admin"]}
    await auth.http.put(path, json=more, headers=headers)
    assert claims(await services.exchanged("orders", user))["permissions"] == ["orders:read"]


async def test_token_for_others_becomes_none_for_this_service(services: Services) -> None:
    await services.add("platform", audiences=[ISSUER, BILLING], may_act_for=["orders"])
    user = (await services.auth.tokens())["access_token"]
    token = await services.exchanged("orders", user, audience=BILLING)
    assert claims(await services.exchanged("platform", token))["aud"] == BILLING
    assert refused(await services.exchange("platform", token, audience=ISSUER), "invalid_target")


async def test_who_acts_for_an_admin_administers_nothing(services: Services) -> None:
    auth = services.auth
    headers = {"Authorization": f"Bearer {await auth.own_token()}"}
    path = "/admin/organisations/acme/roles/clerk"
    await auth.http.put(path, json={"permissions": ["auth:admin"]}, headers=headers)
    await services.add("assistant", audiences=[ISSUER], may_act_for=["spa"])
    user = (await auth.tokens())["access_token"]
    token = await services.exchanged("assistant", user)
    assert claims(token)["permissions"] == ["auth:admin"]
    answer = await auth.http.get("/users", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 403


async def test_exchanged_token_ends_with_what_it_came_from(services: Services) -> None:
    auth = services.auth
    tokens = await auth.tokens()
    token = await services.exchanged("orders", tokens["access_token"])
    assert await services.is_active(token)
    await auth.http.post(
        "/oauth2/revoke", data={"client_id": "spa", "token": tokens["refresh_token"]}
    )
    assert not await services.is_active(token)
    assert refused(await services.exchange("orders", tokens["access_token"]))


async def test_exchanged_token_lives_no_longer_than_the_first(services: Services) -> None:
    user = (await services.auth.tokens())["access_token"]
    services.auth.clock.forward(200)
    answer = await services.exchange("orders", user)
    assert answer.json()["expires_in"] <= 100
    assert claims(answer.json()["access_token"])["exp"] == claims(user)["exp"]


async def test_own_token_of_a_service_is_exchanged_too(services: Services) -> None:
    token = await services.exchanged("billing", await services.own("orders"))
    found = claims(token)
    assert (found["sub"], found["act"]) == ("orders", {"sub": "billing"})
    assert found["permissions"] == ["jobs:read"]
    assert await services.is_active(token)


async def test_token_of_ones_own_is_narrowed_without_an_actor(services: Services) -> None:
    own = await services.own("orders")
    found = claims(await services.exchanged("orders", own, audience=BILLING, scope="jobs:run"))
    assert "act" not in found
    assert (found["aud"], found["scope"]) == (BILLING, "jobs:run")


async def test_actor_token_has_to_be_the_clients_own(services: Services) -> None:
    user = (await services.auth.tokens())["access_token"]
    own, other = await services.own("orders"), await services.own("billing")
    token = await services.exchanged("orders", user, actor_token=own, actor_token_type=ACCESS)
    assert claims(token)["act"] == {"sub": "orders"}
    for wrong in (other, user, "x"):
        answer = await services.exchange("orders", user, actor_token=wrong, actor_token_type=ACCESS)
        assert refused(answer)


@pytest.mark.parametrize(
    "changes",
    [
        {"subject_token": None},
        {"subject_token_type": None},
        {"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"},
        {"subject_token_type": "urn:slipway:params:oauth:token-type:api-key"},
        {"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
        {"actor_token": "x"},
        {"actor_token_type": ACCESS},
        {"subject_token": "a.b.c"},
        {"subject_token": "slw_nothing"},
    ],
)
async def test_malformed_exchange_is_refused(services: Services, changes: Json) -> None:
    user = (await services.auth.tokens())["access_token"]
    assert refused(await services.exchange("orders", user, **changes))


async def test_refresh_and_id_tokens_are_not_exchanged(services: Services) -> None:
    tokens = await services.auth.tokens()
    for name in ("refresh_token", "id_token"):
        assert refused(await services.exchange("orders", tokens[name]))


async def test_public_client_exchanges_no_access_token(services: Services) -> None:
    auth = services.auth
    await services.add("native", auth_method="none", grant_types=[EXCHANGE])
    user = (await auth.tokens())["access_token"]
    form = {"grant_type": EXCHANGE, "subject_token": user, "subject_token_type": ACCESS}
    assert refused(await auth.token(client_id="native", **form))
    answer = await services.add(
        "n2", auth_method="none", grant_types=[EXCHANGE], may_act_for=["spa"]
    )
    assert answer.status_code == 422


async def test_disabled_client_ends_what_was_exchanged_from_its_tokens(
    services: Services,
) -> None:
    auth = services.auth
    token = await services.exchanged("orders", (await auth.tokens())["access_token"])
    headers = {"Authorization": f"Bearer {await auth.own_token()}"}
    await auth.http.post("/admin/clients/spa/disable", headers=headers)
    assert not await services.is_active(token)


async def test_metadata_names_the_grant(start: Start) -> None:
    async with start() as auth:
        found = (await auth.http.get("/.well-known/openid-configuration")).json()
        assert EXCHANGE in found["grant_types_supported"]
