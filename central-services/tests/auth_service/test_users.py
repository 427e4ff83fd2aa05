"""`/users` and `/roles`: who may do what, to whom."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from .conftest import EMAIL, PASSWORD, Harness, Start

pytestmark = pytest.mark.anyio

Json = dict[str, Any]
Headers = dict[str, str]


async def platform(auth: Harness) -> Headers:
    return {"Authorization": f"Bearer {await auth.own_token()}"}


async def ask(auth: Harness, headers: Headers, method: str, path: str, body: Any = None) -> Any:
    answer = await auth.http.request(method, path, json=body, headers=headers)
    assert answer.status_code in {200, 201, 204}, f"{method} {path}: {answer.text}"
    return answer.json() if answer.content else None


async def status(auth: Harness, headers: Headers, method: str, path: str, body: Any = None) -> int:
    return (await auth.http.request(method, path, json=body, headers=headers)).status_code


async def user(auth: Harness, headers: Headers, organisation: str = "rival") -> Json:
    body = {
        "organisation": organisation,
        "email": f"{uuid4().hex}@example.com",
        "name": "Eve",
        "password": "quiet-Harbour-3119",
    }
    found: Json = await ask(auth, headers, "POST", "/users", body)
    return found


async def role(auth: Harness, headers: Headers, name: str, *permissions: str, **more: str) -> Json:
    body = {"organisation": "acme", "name": name, "permissions": list(permissions), **more}
    found: Json = await ask(auth, headers, "POST", "/roles", body)
    return found


async def ada(auth: Harness, headers: Headers) -> Json:
    users = (await ask(auth, headers, "GET", "/users"))["items"]
    found: Json = next(user for user in users if user["email"] == EMAIL)
    return found


async def boss(auth: Harness) -> Headers:
    """Make Ada the admin of acme, and return her headers."""
    headers = await platform(auth)
    made = await role(auth, headers, "boss", "auth:org-admin")
    path = f"/users/{(await ada(auth, headers))['id']}/roles"
    await ask(auth, headers, "POST", path, {"role_id": made["id"]})
    return {"Authorization": f"Bearer {(await auth.tokens())['access_token']}"}


async def test_user_is_changed_and_another_address_is_not_verified(auth: Harness) -> None:
    headers = await platform(auth)
    made = await user(auth, headers)
    path, body = f"/users/{made['id']}", {"email": "New@Example.com", "name": "Eva"}
    changed = await ask(auth, headers, "PUT", path, body)
    assert (changed["email"], changed["name"]) == ("new@example.com", "Eva")
    assert not changed["email_verified"]
    assert await status(auth, headers, "PUT", path, {**body, "email": EMAIL}) == 409
    assert (await ask(auth, headers, "GET", path)) == changed
    assert "user.changed" in auth.audited


async def test_deleted_user_is_logged_out_at_once(auth: Harness) -> None:
    headers, tokens = await platform(auth), await auth.tokens()
    path = f"/users/{(await ada(auth, headers))['id']}"
    assert await status(auth, headers, "DELETE", path) == 204
    assert await status(auth, headers, "GET", path) == 404
    assert (await auth.userinfo(tokens["access_token"])).status_code == 401
    assert (await auth.refresh(tokens["refresh_token"])).status_code == 400
    assert (await auth.log_in()).status_code == 401
    assert "user.deleted" in auth.audited


async def test_sessions_are_listed_and_end_together(auth: Harness) -> None:
    headers, tokens = await platform(auth), await auth.tokens()
    path = f"/users/{(await ada(auth, headers))['id']}/sessions"
    assert len(await ask(auth, headers, "GET", path)) == 1
    await ask(auth, headers, "DELETE", path)
    assert await ask(auth, headers, "GET", path) == []
    assert (await auth.refresh(tokens["refresh_token"])).status_code == 400
    assert (await auth.http.get("/sessions")).status_code == 303


async def test_role_is_made_changed_given_taken_and_deleted(auth: Harness) -> None:
    headers = await platform(auth)
    made = await role(auth, headers, "packer", "orders:pack")
    body = {"organisation": "acme", "name": "packer", "permissions": []}
    assert await status(auth, headers, "POST", "/roles", body) == 409
    path, roles = f"/roles/{made['id']}", f"/users/{(await ada(auth, headers))['id']}/roles"
    changed = await ask(auth, headers, "PUT", path, {"permissions": ["orders:ship"]})
    assert changed == {**made, "permissions": ["orders:ship"]}
    given = await ask(auth, headers, "POST", roles, {"role_id": made["id"]})
    assert given == {"roles": ["clerk", "packer"]}
    assert await status(auth, headers, "DELETE", f"{roles}/{made['id']}") == 204
    assert await status(auth, headers, "DELETE", f"{roles}/{made['id']}") == 404
    assert await status(auth, headers, "DELETE", path) == 204
    assert await status(auth, headers, "GET", path) == 404
    assert "role.deleted" in auth.audited


async def test_roles_are_listed_page_by_page(auth: Harness) -> None:
    headers = await platform(auth)
    for n in range(3):
        await role(auth, headers, f"role-{n}", organisation="rival")
    found, path = [], "/roles?limit=2"
    cursor = ""
    while cursor is not None:
        page = await ask(auth, headers, "GET", path + (f"&cursor={cursor}" if cursor else ""))
        found += [(item["organisation"], item["name"]) for item in page["items"]]
        cursor = page["next_cursor"]
    assert sorted(found) == [("acme", "clerk"), *(("rival", f"role-{n}") for n in range(3))]


async def test_organisation_admin_reaches_nothing_of_another_tenant(auth: Harness) -> None:
    root = await platform(auth)
    eve = await user(auth, root)
    theirs = await role(auth, root, "theirs", organisation="rival")
    headers = await boss(auth)
    me = (await ada(auth, headers))["id"]
    body = {"email": "x@example.com", "name": "X"}
    attempts: list[tuple[str, str, Json | None]] = [
        ("GET", f"/users/{eve['id']}", None),
        ("PUT", f"/users/{eve['id']}", body),
        ("DELETE", f"/users/{eve['id']}", None),
        ("GET", f"/users/{eve['id']}/sessions", None),
        ("DELETE", f"/users/{eve['id']}/sessions", None),
        ("POST", f"/users/{eve['id']}/roles", {"role_id": theirs["id"]}),
        ("POST", f"/users/{me}/roles", {"role_id": theirs["id"]}),
        ("DELETE", f"/users/{eve['id']}/roles/{theirs['id']}", None),
        ("GET", f"/roles/{theirs['id']}", None),
        ("PUT", f"/roles/{theirs['id']}", {"permissions": []}),
        ("DELETE", f"/roles/{theirs['id']}", None),
        ("POST", "/roles", {"organisation": "rival", "name": "x", "permissions": []}),
    ]
    for method, path, sent in attempts:
        assert await status(auth, headers, method, path, sent) == 404, (method, path)
    seen = (await ask(auth, headers, "GET", "/roles"))["items"]
    assert {item["organisation"] for item in seen} == {"acme"}
    # Nor does the platform's admin mix tenants up by mistake.
    path = f"/users/{me}/roles"
    assert await status(auth, root, "POST", path, {"role_id": theirs["id"]}) == 404


async def test_organisation_admin_can_not_become_or_touch_the_platforms(auth: Harness) -> None:
    root = await platform(auth)
    high = await role(auth, root, "root", "auth:admin")
    chief = await user(auth, root, "acme")
    await ask(auth, root, "POST", f"/users/{chief['id']}/roles", {"role_id": high["id"]})
    headers = await boss(auth)
    me = (await ada(auth, headers))["id"]
    attempts: list[tuple[str, str, Json | None]] = [
        ("POST", "/roles", {"organisation": "acme", "name": "x", "permissions": ["auth:admin"]}),
        ("PUT", f"/roles/{high['id']}", {"permissions": []}),
        ("DELETE", f"/roles/{high['id']}", None),
        ("POST", f"/users/{me}/roles", {"role_id": high["id"]}),
        # Whoever gave them another address could have the password reset.
        ("PUT", f"/users/{chief['id']}", {"email": "x@example.com", "name": "X"}),
        ("DELETE", f"/users/{chief['id']}", None),
        ("DELETE", f"/users/{chief['id']}/roles/{high['id']}", None),
        ("PUT", f"/admin/users/{chief['id']}/status", {"status": "disabled"}),
        ("PUT", f"/admin/users/{chief['id']}/roles", {"roles": []}),
    ]
    for method, path, body in attempts:
        assert await status(auth, headers, method, path, body) == 403, (method, path)


async def test_users_see_themselves_in_the_application_of_the_house_only(start: Start) -> None:
    async with start(first_party_client="spa") as house:
        answer = await house.http.post("/auth/login", json={"email": EMAIL, "password": PASSWORD})
        mine = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        root = await platform(house)
        me, eve = await ada(house, root), await user(house, root, "acme")
        assert (await ask(house, mine, "GET", f"/users/{me['id']}"))["email"] == EMAIL
        assert len(await ask(house, mine, "GET", f"/users/{me['id']}/sessions")) == 1
        body = {"email": "x@example.com", "name": "X"}
        assert await status(house, mine, "PUT", f"/users/{me['id']}", body) == 403
        for path in (f"/users/{eve['id']}", f"/users/{eve['id']}/sessions", "/users", "/roles"):
            assert await status(house, mine, "GET", path) == 403
        assert await status(house, mine, "DELETE", f"/users/{me['id']}/sessions") == 204
        assert await status(house, mine, "GET", f"/users/{me['id']}") == 401


async def test_token_for_another_application_shows_users_nothing(auth: Harness) -> None:
    me = (await ada(auth, await platform(auth)))["id"]
    mine = {"Authorization": f"Bearer {(await auth.tokens())['access_token']}"}
    for path in (f"/users/{me}", f"/users/{me}/sessions"):
        assert await status(auth, mine, "GET", path) == 403
