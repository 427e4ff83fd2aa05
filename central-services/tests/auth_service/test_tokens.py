"""The token endpoint: codes, client credentials, client authentication; introspection, revocation."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from authlib.integrations.httpx_client import AsyncOAuth2Client
from joserfc import jwk, jwt

from .conftest import CALLBACK, EMAIL, ISSUER, VERIFIER, Harness, assertion

pytestmark = pytest.mark.anyio


async def test_token_answers_are_never_stored(auth: Harness) -> None:
    answer = await auth.exchange(await auth.code())
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["token_type"] == "Bearer"


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "w" * 64},
        {"code_verifier": "short"},
        {"redirect_uri": "https://shop.example.com/other"},
        {"code": "unknown"},
        {"client_id": "backend"},
        {"client_id": "nobody"},
    ],
)
async def test_code_with_anything_wrong_gives_no_token(
    auth: Harness, changes: dict[str, str]
) -> None:
    answer = await auth.exchange(await auth.code(), **changes)
    assert answer.status_code in {400, 401}
    assert answer.json()["error"] in {"invalid_grant", "invalid_request", "invalid_client"}


async def test_code_without_verifier_gives_no_token(auth: Harness) -> None:
    form = {"code": await auth.code(), "redirect_uri": CALLBACK}
    answer = await auth.token(grant_type="authorization_code", **form)
    assert answer.json()["error"] == "invalid_request"


async def test_code_expires(auth: Harness) -> None:
    code = await auth.code()
    auth.clock.forward(61)
    assert (await auth.exchange(code)).json()["error"] == "invalid_grant"


async def test_code_that_comes_again_revokes_what_it_led_to(auth: Harness) -> None:
    code = await auth.code()
    tokens = (await auth.exchange(code)).json()
    assert (await auth.introspect(tokens["access_token"]))["active"]
    assert (await auth.exchange(code)).json()["error"] == "invalid_grant"
    assert await auth.introspect(tokens["access_token"]) == {"active": False}
    assert (await auth.userinfo(tokens["access_token"])).status_code == 401
    assert (await auth.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert "token.reuse_detected" in auth.audited


async def test_client_gets_a_token_of_its_own(auth: Harness) -> None:
    found = await auth.introspect(await auth.own_token())
    assert found["sub"] == found["client_id"] == "backend"
    assert found["scope"] == "jobs:run jobs:read"
    assert found["permissions"] == ["auth:admin"]
    narrow = await auth.introspect(await auth.own_token(scope="jobs:read"))
    assert narrow["scope"] == "jobs:read"


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials", "scope": "admin"}, "invalid_scope"),
        ({"grant_type": "client_credentials", "scope": "openid"}, "invalid_scope"),
        ({"grant_type": "client_credentials", "resource": "https://x.example"}, "invalid_target"),
        ({"grant_type": "authorization_code"}, "invalid_request"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": 'x"y'}, "invalid_request"),
    ],
)
async def test_wrong_token_request_has_the_error_of_rfc_6749(
    auth: Harness, form: dict[str, str], error: str
) -> None:
    answer = await auth.http.post("/oauth2/token", data=form, auth=("backend", auth.secret))
    assert (answer.status_code, answer.json()["error"]) == (400, error)


async def test_public_client_has_no_credentials_of_its_own(auth: Harness) -> None:
    answer = await auth.token(grant_type="client_credentials")
    assert answer.json()["error"] == "invalid_client"


@pytest.mark.parametrize(
    ("user", "password"),
    [("backend", "wrong"), ("nobody", "wrong"), ("spa", "wrong"), ("backend", "")],
)
async def test_wrong_and_unknown_clients_get_the_same_answer(
    auth: Harness, user: str, password: str
) -> None:
    form = {"grant_type": "client_credentials"}
    answer = await auth.http.post("/oauth2/token", data=form, auth=(user, password))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic")
    assert answer.json() == {
        "error": "invalid_client",
        "error_description": "The client is not authenticated.",
    }


async def test_client_must_not_authenticate_in_two_ways(auth: Harness) -> None:
    form = {"grant_type": "client_credentials", "client_secret": auth.secret}
    answer = await auth.http.post("/oauth2/token", data=form, auth=("backend", auth.secret))
    assert answer.json()["error"] == "invalid_request"


async def test_secret_in_the_body_is_for_who_is_registered_so(auth: Harness) -> None:
    headers = {"Authorization": f"Bearer {await auth.own_token()}"}
    asked = {"id": "poster", "name": "P", "auth_method": "client_secret_post", "scopes": []}
    asked |= {"grant_types": ["client_credentials"]}
    made = (await auth.http.post("/admin/clients", json=asked, headers=headers)).json()
    form = {"client_id": "poster", "client_secret": made["secret"]}
    assert (await auth.token(grant_type="client_credentials", **form)).status_code == 200
    wrong = form | {"client_secret": "x"}
    answer = await auth.token(grant_type="client_credentials", **wrong)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    grant = {"grant_type": "client_credentials"}
    answer = await auth.http.post("/oauth2/token", data=grant, auth=("poster", made["secret"]))
    assert answer.json()["error"] == "invalid_client"


async def test_secret_in_the_body_is_not_taken_from_others(auth: Harness) -> None:
    form = {"client_id": "backend", "client_secret": auth.secret}
    answer = await auth.token(grant_type="client_credentials", **form)
    assert answer.json()["error"] == "invalid_client"


async def test_basic_that_is_no_text_is_refused(auth: Harness) -> None:
    for value in ("Basic /////w==", "Basic x", "Basic", "Bearer x", "Basic " + "A" * 9000):
        answer = await auth.http.post(
            "/oauth2/token",
            data={"grant_type": "client_credentials"},
            headers={"Authorization": value},
        )
        assert answer.json()["error"] == "invalid_client"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b'{"grant_type": "client_credentials"}', "application/json"),
        (b"grant_type=\xff", "application/x-www-form-urlencoded"),
        (b"a=" + b"x" * 40_000, "application/x-www-form-urlencoded"),
        (b"&".join(b"a%d=1" % i for i in range(100)), "application/x-www-form-urlencoded"),
        (b"grant_type=%FF%FE", "application/x-www-form-urlencoded"),
        (b"grant_type=x&grant_type=y", "application/x-www-form-urlencoded"),
    ],
)
async def test_what_is_no_form_is_refused(auth: Harness, content: bytes, kind: str) -> None:
    answer = await auth.http.post("/oauth2/token", content=content, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def _by_assertion(auth: Harness, text: str, **form: str) -> httpx2.Response:
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    return await auth.http.post(
        "/oauth2/token",
        data={
            "grant_type": "client_credentials",
            "client_assertion_type": kind,
            "client_assertion": text,
            **form,
        },
    )


async def test_client_may_sign_an_assertion_for_a_resource(auth: Harness) -> None:
    form = {"resource": "https://jobs.example.com"}
    answer = await _by_assertion(auth, assertion(auth), **form)
    assert answer.status_code == 200, answer.text
    keys = jwk.KeySet.import_key_set((await auth.http.get("/oauth2/jwks")).json())
    claims = jwt.decode(answer.json()["access_token"], keys, algorithms=["ES256"]).claims
    assert claims["aud"] == "https://jobs.example.com"


async def test_assertion_is_good_for_one_use(auth: Harness) -> None:
    text = assertion(auth)
    assert (await _by_assertion(auth, text)).status_code == 200
    assert (await _by_assertion(auth, text)).json()["error"] == "invalid_client"


@pytest.mark.parametrize(("lives_s", "status"), [(3_600, 200), (3_700, 400)])
async def test_assertion_lives_an_hour_at_most(auth: Harness, lives_s: int, status: int) -> None:
    until = int(auth.clock().timestamp()) + lives_s
    assert (await _by_assertion(auth, assertion(auth, exp=until))).status_code == status


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "https://elsewhere.example.com"},
        {"iss": "backend"},
        {"sub": "backend"},
        {"sub": "backend", "iss": "backend"},
        {"exp": 1},
        {"exp": None},
        {"jti": None},
        {"exp": 99_999_999_999},
        {"exp": True},
        {"nbf": 99_999_999_999},
        {"sub": ["signer"]},
    ],
)
async def test_assertion_with_anything_wrong_is_refused(
    auth: Harness, changes: dict[str, Any]
) -> None:
    answer = await _by_assertion(auth, assertion(auth, **changes))
    assert answer.json()["error"] == "invalid_client"


async def test_assertion_of_another_key_or_none_is_refused(auth: Harness) -> None:
    right = assertion(auth)
    stranger = jwk.generate_key("EC", "P-256")
    claims = {"iss": "signer", "sub": "signer", "aud": ISSUER, "jti": "x", "exp": 99_999_999_999}
    forged = jwt.encode({"alg": "ES256"}, claims, stranger)
    unsigned = "eyJhbGciOiJub25lIn0." + right.split(".")[1] + "."
    for text in (forged, unsigned, "a.b.c", "", right[:-4] + "AAAA", "x" * 10_000):
        assert (await _by_assertion(auth, text)).json()["error"] == "invalid_client"


async def test_revoked_access_token_is_dead_and_the_refresh_token_lives(auth: Harness) -> None:
    tokens = await auth.tokens()
    form = {"token": tokens["access_token"], "client_id": "spa", "token_type_hint": "other"}
    assert (await auth.http.post("/oauth2/revoke", data=form)).status_code == 200
    assert await auth.introspect(tokens["access_token"]) == {"active": False}
    assert (await auth.refresh(tokens["refresh_token"])).status_code == 200


async def test_revoked_refresh_token_takes_its_family_along(auth: Harness) -> None:
    tokens = await auth.tokens()
    form = {"token": tokens["refresh_token"], "client_id": "spa"}
    assert (await auth.http.post("/oauth2/revoke", data=form)).status_code == 200
    assert await auth.introspect(tokens["access_token"]) == {"active": False}
    assert (await auth.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_nobody_can_revoke_the_token_of_another_client(auth: Harness) -> None:
    tokens = await auth.tokens()
    for token in (tokens["refresh_token"], tokens["access_token"], "unknown"):
        answer = await auth.http.post(
            "/oauth2/revoke", data={"token": token}, auth=("backend", auth.secret)
        )
        assert answer.status_code == 200
    assert (await auth.introspect(tokens["access_token"]))["active"]


async def test_introspection_is_for_clients_that_prove_who_they_are(auth: Harness) -> None:
    tokens = await auth.tokens()
    answer = await auth.http.post(
        "/oauth2/introspect", data={"token": tokens["access_token"], "client_id": "spa"}
    )
    assert answer.status_code == 401
    assert "active" not in answer.json()
    assert auth.audited[-1] == "token.refused"


async def test_token_that_means_others_is_not_shown(auth: Harness) -> None:
    answer = await _by_assertion(auth, assertion(auth))
    assert await auth.introspect(answer.json()["access_token"]) == {"active": False}


async def test_client_token_opens_no_userinfo(auth: Harness) -> None:
    assert (await auth.userinfo(await auth.own_token())).status_code == 401


async def test_userinfo_wants_the_token_in_the_header(auth: Harness) -> None:
    token = (await auth.tokens())["access_token"]
    answer = await auth.http.get("/oauth2/userinfo", params={"access_token": token})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_disabled_client_gets_nothing_and_its_tokens_are_dead(auth: Harness) -> None:
    tokens = await auth.tokens()
    headers = {"Authorization": f"Bearer {await auth.own_token()}"}
    answer = await auth.http.post("/admin/clients/spa/disable", headers=headers)
    assert answer.json()["disabled"] is True
    assert await auth.introspect(tokens["access_token"]) == {"active": False}
    assert (await auth.refresh(tokens["refresh_token"])).json()["error"] == "invalid_client"
    assert (await auth.authorize()).status_code == 400


async def test_authlib_works_as_a_relying_party(auth: Harness) -> None:
    code = await auth.code(scope="openid email")
    transport = httpx2.ASGITransport(app=auth.app)
    options = {"token_endpoint_auth_method": "none", "base_url": ISSUER, "transport": transport}
    async with AsyncOAuth2Client("spa", **options) as party:
        url = f"{ISSUER}/oauth2/token"
        tokens = await party.fetch_token(
            url, code=code, redirect_uri=CALLBACK, code_verifier=VERIFIER
        )
        assert (await party.get(f"{ISSUER}/oauth2/userinfo")).json()["email"] == EMAIL
        fresh = await party.refresh_token(url, refresh_token=tokens["refresh_token"])
        assert fresh["access_token"] != tokens["access_token"]
        await party.revoke_token(f"{ISSUER}/oauth2/revoke", fresh["refresh_token"])
    assert await auth.introspect(fresh["access_token"]) == {"active": False}
