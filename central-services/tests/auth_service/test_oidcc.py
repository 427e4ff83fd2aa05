"""The modules of the OpenID Foundation's basic and config profiles, by their names.

The names and what each one checks are those of `oidcc-basic-certification-test-plan` and
`oidcc-config-certification-test-plan`, with discovery and a static client.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import pytest

from .conftest import CALLBACK, EMAIL, Harness
from .oidcc import Login, Party, register, user_of

pytestmark = pytest.mark.anyio

Check = Callable[[Party], Awaitable[object]]
BASIC = (
    "oidcc-server",
    "oidcc-response-type-missing",
    "oidcc-userinfo-get",
    "oidcc-userinfo-post-header",
    "oidcc-userinfo-post-body",
    "oidcc-ensure-request-without-nonce-succeeds-for-code-flow",
    "oidcc-scope-profile",
    "oidcc-scope-email",
    "oidcc-scope-address",
    "oidcc-scope-phone",
    "oidcc-scope-all",
    "oidcc-alternate-happy-flow",
    "oidcc-display-page",
    "oidcc-display-popup",
    "oidcc-prompt-login",
    "oidcc-prompt-none-not-logged-in",
    "oidcc-prompt-none-logged-in",
    "oidcc-max-age-1",
    "oidcc-max-age-10000",
    "oidcc-ensure-request-with-unknown-parameter-succeeds",
    "oidcc-id-token-hint",
    "oidcc-login-hint",
    "oidcc-ui-locales",
    "oidcc-claims-locales",
    "oidcc-ensure-request-with-acr-values-succeeds",
    "oidcc-codereuse",
    "oidcc-codereuse-30seconds",
    "oidcc-ensure-registered-redirect-uri",
    "oidcc-ensure-post-request-succeeds",
    "oidcc-server-client-secret-post",
    "oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported",
    "oidcc-claims-essential",
    "oidcc-ensure-request-object-with-redirect-uri",
    "oidcc-refresh-token",
    "oidcc-ensure-request-with-valid-pkce-succeeds",
)
CHECKS: dict[str, Check] = {}


def module(name: str) -> Callable[[Check], Check]:
    """Let a function be the check of a module."""

    def kept(check: Check) -> Check:
        CHECKS[name] = check
        return check

    return kept


@pytest.mark.parametrize("name", BASIC, ids=BASIC)
async def test_module_of_the_basic_profile(auth: Harness, name: str) -> None:
    assert CHECKS.keys() == set(BASIC)
    assert len(BASIC) == 35
    await CHECKS[name](await register(auth, "suite"))


# --- happy flows ---------------------------------------------------------------------------------


@module("oidcc-server")
async def _server(party: Party) -> None:
    login = await party.login()
    assert login.pages == ["/login", "/consent"]
    await party.userinfo(login)


@module("oidcc-ensure-request-with-valid-pkce-succeeds")
async def _pkce(party: Party) -> None:
    assert party.query()["code_challenge_method"] == "S256"
    await party.login()


@module("oidcc-ensure-request-without-nonce-succeeds-for-code-flow")
async def _no_nonce(party: Party) -> None:
    assert "nonce" not in (await party.login(nonce=None)).claims


@module("oidcc-ensure-post-request-succeeds")
async def _post(party: Party) -> None:
    await party.login(posts=True)


@module("oidcc-server-client-secret-post")
async def _secret_post(party: Party) -> None:
    posting = await register(party.auth, "posting", auth_method="client_secret_post")
    await posting.login()


@module("oidcc-alternate-happy-flow")
async def _alternate(party: Party) -> None:
    query = party.query(scope="email openid")
    login = await party.login(dict(reversed(query.items())))
    assert (await party.userinfo(login))["email"] == EMAIL


# What a server may ignore, and must not refuse.
for _name, _parameter in {
    "oidcc-display-page": ("display", "page"),
    "oidcc-display-popup": ("display", "popup"),
    "oidcc-ui-locales": ("ui_locales", "se"),
    "oidcc-claims-locales": ("claims_locales", "se"),
    "oidcc-ensure-request-with-acr-values-succeeds": ("acr_values", "1 2"),
    "oidcc-ensure-request-with-unknown-parameter-succeeds": ("extra", "foobar"),
    "oidcc-claims-essential": ("claims", '{"userinfo":{"name":{"essential":true}}}'),
}.items():

    @module(_name)
    async def _ignored(party: Party, parameter: tuple[str, str] = _parameter) -> None:
        login = await party.login({**party.query(), parameter[0]: parameter[1]})
        await party.userinfo(login)


@module("oidcc-login-hint")
async def _login_hint(party: Party) -> None:
    answer = await party.send(party.query(login_hint=EMAIL))
    page = await party.auth.http.get(answer.headers["location"])
    assert f'value="{EMAIL}"' in page.text
    await party.login(login_hint=EMAIL)


# --- userinfo and scopes -------------------------------------------------------------------------


@module("oidcc-userinfo-get")
async def _userinfo_get(party: Party) -> None:
    await party.userinfo(await party.login())


@module("oidcc-userinfo-post-header")
async def _userinfo_post(party: Party) -> None:
    login = await party.login()
    headers = {"Authorization": f"Bearer {login.tokens['access_token']}"}
    user_of(await party.auth.http.post("/oauth2/userinfo", headers=headers), login)


@module("oidcc-userinfo-post-body")
async def _userinfo_body(party: Party) -> None:
    login = await party.login()
    form = {"access_token": login.tokens["access_token"]}
    answer = await party.auth.http.post("/oauth2/userinfo", data=form)
    # "Support for passing an access token in the request body is not required by the standards."
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


@module("oidcc-scope-profile")
async def _profile(party: Party) -> None:
    found = await party.userinfo(await party.login(scope="openid profile"))
    assert found["name"] == "Ada"
    assert "email" not in found


@module("oidcc-scope-email")
async def _email(party: Party) -> None:
    found = await party.userinfo(await party.login(scope="openid email"))
    assert (found["email"], found["email_verified"]) == (EMAIL, False)
    assert "name" not in found


async def _unknown_of_users(party: Party, scope: str) -> Login:
    """Log in with scopes that metadata does not name: the suite goes no further than that."""
    document = (await party.auth.http.get("/.well-known/openid-configuration")).json()
    assert not {"address", "phone"} & {*document["scopes_supported"], *document["claims_supported"]}
    login = await party.login(scope=scope)
    assert not {"address", "phone"} & set(login.tokens["scope"].split())
    return login


@module("oidcc-scope-address")
async def _address(party: Party) -> None:
    await party.userinfo(await _unknown_of_users(party, "openid address"))


@module("oidcc-scope-phone")
async def _phone(party: Party) -> None:
    await party.userinfo(await _unknown_of_users(party, "openid phone"))


@module("oidcc-scope-all")
async def _all(party: Party) -> None:
    login = await _unknown_of_users(party, "openid profile email address phone")
    assert login.tokens["scope"] == "openid profile email"
    assert (await party.userinfo(login)).keys() >= {"name", "email", "email_verified"}


# --- logins that are there already ---------------------------------------------------------------


@module("oidcc-prompt-login")
async def _prompt_login(party: Party) -> None:
    first = await party.login()
    party.auth.clock.forward(2)
    second = await party.login(prompt="login")
    assert second.pages == ["/login"]
    assert second.claims["auth_time"] > first.claims["auth_time"]
    assert second.claims["sub"] == first.claims["sub"]


@module("oidcc-prompt-none-not-logged-in")
async def _not_logged_in(party: Party) -> None:
    query = party.query(prompt="none")
    said = party.auth.answered(await party.send(query))
    assert said == {"error": "login_required", "state": query["state"], "iss": party.auth.issuer}


@module("oidcc-prompt-none-logged-in")
async def _logged_in(party: Party) -> None:
    await _again(party, prompt="none")


@module("oidcc-max-age-10000")
async def _old_enough(party: Party) -> None:
    await _again(party, max_age="10000")


@module("oidcc-id-token-hint")
async def _id_token_hint(party: Party) -> None:
    first = await party.login()
    party.auth.clock.forward(2)
    second = await party.login(prompt="none", id_token_hint=first.tokens["id_token"])
    assert second.pages == []
    assert second.claims["sub"] == first.claims["sub"]
    assert second.claims["auth_time"] == first.claims["auth_time"]


async def _again(party: Party, **changes: str) -> None:
    """Log in a second time, where the user is asked nothing."""
    first = await party.login()
    party.auth.clock.forward(2)
    second = await party.login(party.query(**changes))
    assert second.pages == []
    assert second.claims["auth_time"] == first.claims["auth_time"]
    assert second.claims["sub"] == first.claims["sub"]


@module("oidcc-max-age-1")
async def _too_old(party: Party) -> None:
    first = await party.login()
    party.auth.clock.forward(2)
    second = await party.login(max_age="1")
    assert second.pages == ["/login"]
    assert second.claims["auth_time"] > first.claims["auth_time"]
    assert party.auth.clock().timestamp() - second.claims["auth_time"] < 2


# --- what is refused -----------------------------------------------------------------------------


@module("oidcc-response-type-missing")
async def _no_response_type(party: Party) -> None:
    query = party.query(response_type=None)
    said = party.auth.answered(await party.send(query))
    assert said["error"] in {"invalid_request", "unsupported_response_type"}
    assert said["state"] == query["state"]
    assert "code" not in said


@module("oidcc-ensure-registered-redirect-uri")
async def _unregistered(party: Party) -> None:
    answer = await party.send(party.query(redirect_uri=f"{CALLBACK}/x"))
    assert answer.status_code == 400
    assert "not registered" in answer.text


@module("oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported")
async def _request_object(party: Party) -> None:
    said = party.auth.answered(await party.send(party.query(request="e30.e30.")))
    assert said["error"] == "request_not_supported"


@module("oidcc-ensure-request-object-with-redirect-uri")
async def _request_object_with_uri(party: Party) -> None:
    answer = await party.send(party.query(request="e30.e30.", redirect_uri=f"{CALLBACK}/x"))
    assert answer.status_code == 400
    assert "location" not in answer.headers


@module("oidcc-codereuse")
async def _code_reuse(party: Party) -> None:
    login = await party.login()
    answer = await party.exchange(login.answer["code"])
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


@module("oidcc-codereuse-30seconds")
async def _code_reuse_later(party: Party) -> None:
    login = await party.login()
    party.auth.clock.forward(30)
    answer = await party.exchange(login.answer["code"])
    assert answer.json()["error"] == "invalid_grant"
    assert (await party.auth.userinfo(login.tokens["access_token"])).status_code == 401


@module("oidcc-refresh-token")
async def _refresh(party: Party) -> None:
    second = await register(party.auth, "second")
    for client in (party, second):
        login = await client.login(scope="openid offline_access", prompt="consent")
        form = {"grant_type": "refresh_token", "refresh_token": login.tokens["refresh_token"]}
        answer = await client.post("/oauth2/token", form)
        assert answer.status_code == 200, answer.text
        claims = await client.id_claims(answer.json(), None)
        names = ("iss", "sub", "aud", "auth_time", "azp")
        assert [claims[name] for name in names] == [login.claims[name] for name in names]
        assert answer.json()["access_token"] != login.tokens["access_token"]
    stolen = {"grant_type": "refresh_token", "refresh_token": answer.json()["refresh_token"]}
    refused = await party.post("/oauth2/token", stolen)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")


# --- the config profile --------------------------------------------------------------------------

CONFIG = ("oidcc-discovery-endpoint-verification",)


@pytest.mark.parametrize("name", CONFIG, ids=CONFIG)
async def test_module_of_the_config_profile(auth: Harness, name: str) -> None:
    del name
    answer = await auth.http.get("/.well-known/openid-configuration")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    found = answer.json()
    assert found["issuer"] == auth.issuer
    assert found["response_types_supported"] == ["code"]
    assert found["subject_types_supported"] == ["public"]
    assert "RS256" in found["id_token_signing_alg_values_supported"]
    assert {"authorization_code", "refresh_token"} <= set(found["grant_types_supported"])
    assert "openid" in found["scopes_supported"]
    assert {"sub", "iss", "auth_time"} <= set(found["claims_supported"])
    assert {"client_secret_basic", "client_secret_post"} <= set(
        found["token_endpoint_auth_methods_supported"]
    )
    assert found["code_challenge_methods_supported"] == ["S256"]
    for parameter in ("claims_parameter", "request_parameter", "request_uri_parameter"):
        assert found[f"{parameter}_supported"] is False
    for place, url in found.items():
        if place.endswith(("_endpoint", "_uri")):
            # The suite wants https, which production enforces: here all are where the issuer is.
            assert url.startswith(f"{auth.issuer}/"), place
            assert urlsplit(url).fragment == ""
    keys = (await auth.http.get(urlsplit(found["jwks_uri"]).path)).json()["keys"]
    assert {"ES256", "RS256"} <= {key["alg"] for key in keys}
    assert all(key["use"] == "sig" and "d" not in key and "p" not in key for key in keys)
    assert len({key["kid"] for key in keys}) == len(keys)
