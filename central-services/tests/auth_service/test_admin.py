"""The admin API: who may do what, to whom."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import EMAIL, Harness

pytestmark = pytest.mark.anyio

Json = dict[str, Any]


async def _platform(auth: Harness) -> dict[str, str]:
    return {"Authorization": f"Bearer {await auth.own_token()}"}


async def _user(auth: Harness, headers: dict[str, str], **changes: Any) -> Json:
    body = {
        "organisation": "rival",
        "email": "eve@rival.example",
        "name": "Eve",
        "password": "quiet-Harbour-3119",
        **changes,
    }
    answer = await auth.http.post("/admin/users", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    found: Json = answer.json()
    return found


async def _org_admin(auth: Harness) -> dict[str, str]:
    """Make Ada the admin of acme, and return her headers."""
    platform = await _platform(auth)
    role = {"permissions": ["auth:org-admin"]}
    answer = await auth.http.put(
        "/admin/organisations/acme/roles/boss", json=role, headers=platform
    )
    assert answer.status_code == 200
    users = (await auth.http.get("/admin/users", headers=platform)).json()["items"]
    ada = next(user for user in users if user["email"] == EMAIL)
    path = f"/admin/users/{ada['id']}/roles"
    await auth.http.put(path, json={"roles": ["boss", "clerk"]}, headers=platform)
    return {"Authorization": f"Bearer {(await auth.tokens())['access_token']}"}


async def test_without_a_token_there_is_nothing(auth: Harness) -> None:
    for method, path in (("GET", "/admin/users"), ("POST", "/admin/clients")):
        answer = await auth.http.request(method, path, json={})
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_user_without_the_permission_is_refused(auth: Harness) -> None:
    headers = {"Authorization": f"Bearer {(await auth.tokens())['access_token']}"}
    answer = await auth.http.get("/admin/users", headers=headers)
    assert answer.status_code == 403


async def test_organisation_admin_reaches_nothing_of_another_tenant(auth: Harness) -> None:
    eve = await _user(auth, await _platform(auth))
    headers = await _org_admin(auth)
    seen = (await auth.http.get("/admin/users", headers=headers)).json()["items"]
    assert [user["email"] for user in seen] == [EMAIL]
    attempts: list[tuple[str, str, Json | None]] = [
        ("GET", f"/admin/users/{eve['id']}", None),
        ("PUT", f"/admin/users/{eve['id']}/status", {"status": "disabled"}),
        ("PUT", f"/admin/users/{eve['id']}/roles", {"roles": []}),
        ("GET", "/admin/organisations/rival/roles", None),
        ("PUT", "/admin/organisations/rival/roles/x", {"permissions": []}),
    ]
    for method, path, body in attempts:
        answer = await auth.http.request(method, path, json=body, headers=headers)
        assert answer.status_code == 404, path
    body = {"organisation": "rival", "email": "x@y.z", "name": "X", "password": "quiet-Harbour-31"}
    assert (await auth.http.post("/admin/users", json=body, headers=headers)).status_code == 404


async def test_organisation_admin_can_not_rise_above_it(auth: Harness) -> None:
    headers = await _org_admin(auth)
    role = {"permissions": ["auth:admin"]}
    path = "/admin/organisations/acme/roles/root"
    assert (await auth.http.put(path, json=role, headers=headers)).status_code == 403
    assert (await auth.http.get("/admin/clients", headers=headers)).status_code == 403
    organisation = {"slug": "mine", "name": "Mine"}
    answer = await auth.http.post("/admin/organisations", json=organisation, headers=headers)
    assert answer.status_code == 403
    platform = await _platform(auth)
    assert (await auth.http.put(path, json=role, headers=platform)).status_code == 200
    users = (await auth.http.get("/admin/users", headers=headers)).json()["items"]
    answer = await auth.http.put(
        f"/admin/users/{users[0]['id']}/roles", json={"roles": ["root"]}, headers=headers
    )
    assert answer.status_code == 403


async def test_users_are_listed_page_by_page(auth: Harness) -> None:
    headers = await _platform(auth)
    for n in range(4):
        await _user(auth, headers, email=f"user{n}@rival.example")
    found, cursor = [], None
    while True:
        params = {"limit": "2", **({"cursor": cursor} if cursor else {})}
        page = (await auth.http.get("/admin/users", params=params, headers=headers)).json()
        found += [user["email"] for user in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(found) == len(set(found)) == 5


async def test_address_that_is_taken_is_a_conflict_in_any_case(auth: Harness) -> None:
    headers = await _platform(auth)
    body = {
        "organisation": "acme",
        "email": EMAIL.upper(),
        "name": "X",
        "password": "quiet-Harb-31",
    }
    assert (await auth.http.post("/admin/users", json=body, headers=headers)).status_code == 409


async def test_easy_password_is_refused(auth: Harness) -> None:
    body = {"organisation": "acme", "email": "n@e.w", "name": "New", "password": "password1234"}
    answer = await auth.http.post("/admin/users", json=body, headers=await _platform(auth))
    assert (answer.status_code, answer.json()["title"]) == (422, "Password refused")
    assert "password1234" not in answer.text


async def test_secret_of_a_client_is_shown_once_and_can_be_renewed(auth: Harness) -> None:
    headers = await _platform(auth)
    body = {"name": "Job", "grant_types": ["client_credentials"], "scopes": ["jobs:run"]}
    answer = await auth.http.post("/admin/clients", json=body, headers=headers)
    made = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    listed = (await auth.http.get("/admin/clients", headers=headers)).text
    assert made["id"] in listed
    assert made["secret"] not in listed
    renewed = await auth.http.post(f"/admin/clients/{made['id']}/secret", headers=headers)
    form = {"grant_type": "client_credentials"}
    old = await auth.http.post("/oauth2/token", data=form, auth=(made["id"], made["secret"]))
    new = await auth.http.post(
        "/oauth2/token", data=form, auth=(made["id"], renewed.json()["secret"])
    )
    assert (old.status_code, new.status_code) == (401, 200)


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uris": []},
        {"redirect_uris": ["http://shop.example.com/cb"]},
        {"redirect_uris": ["https://shop.example.com/cb#x"]},
        {"redirect_uris": ["https://*.example.com/cb"]},
        {"redirect_uris": ["javascript:alert(1)"]},
        {"redirect_uris": ["https://user@shop.example.com/cb"]},
        {"auth_method": "none", "grant_types": ["authorization_code", "client_credentials"]},
        {"auth_method": "none", "may_introspect": True},
        {"auth_method": "private_key_jwt"},
        {"auth_method": "private_key_jwt", "jwks": {"keys": []}},
        {"auth_method": "private_key_jwt", "jwks": {"keys": [{"kty": "oct", "k": "AAAA"}]}},
        {"auth_method": "private_key_jwt", "jwks": {"x": 1}},
        {"auth_method": "private_key_jwt", "jwks": {"keys": [{"kty": "RSA", "n": "AQAB"}]}},
        {"auth_method": "private_key_jwt", "jwks": {"keys": [{"kty": "EC", "crv": "x"}]}},
        {"jwks": {"keys": []}},
        {"grant_types": ["client_credentials", "refresh_token"]},
        {"grant_types": ["password"]},
        {"unknown": 1},
    ],
)
async def test_registration_that_is_not_safe_is_refused(auth: Harness, changes: Json) -> None:
    body = {"name": "Bad", "redirect_uris": ["https://shop.example.com/cb"], **changes}
    answer = await auth.http.post("/admin/clients", json=body, headers=await _platform(auth))
    assert answer.status_code == 422, answer.text


async def test_changes_are_audited(auth: Harness) -> None:
    headers = await _platform(auth)
    await _user(auth, headers)
    organisation = {"slug": "new", "name": "New"}
    await auth.http.post("/admin/organisations", json=organisation, headers=headers)
    assert auth.audited[-2:] == ["user.created", "organisation.created"]


async def test_own_token_of_a_client_names_its_organisation(auth: Harness) -> None:
    headers = await _platform(auth)
    body = {
        "name": "Sender",
        "organisation": "acme",
        "grant_types": ["client_credentials"],
        "scopes": ["audit"],
        "permissions": ["audit:write"],
    }
    unknown = await auth.http.post(
        "/admin/clients", json={**body, "organisation": "nobody"}, headers=headers
    )
    assert unknown.status_code == 404
    made = (await auth.http.post("/admin/clients", json=body, headers=headers)).json()
    assert made["organisation"] == "acme"
    answer = await auth.http.post(
        "/oauth2/token",
        data={"grant_type": "client_credentials"},
        auth=(made["id"], made["secret"]),
    )
    found = await auth.introspect(answer.json()["access_token"])
    assert (found["org"], found["permissions"]) == ("acme", ["audit:write"])
