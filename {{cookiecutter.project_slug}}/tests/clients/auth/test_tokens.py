# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Which tokens are accepted, and which are not."""

from __future__ import annotations

from typing import Any

import pytest

from {{ cookiecutter.project_slug }}.clients.auth import PermissionDeniedError, UnauthenticatedError
from tests.auth_fixtures import AUDIENCE, Issuer

from .conftest import Clock, MakeAuth
from .forgeries import forgeries

pytestmark = pytest.mark.anyio


async def test_token_says_who_calls(make_auth: MakeAuth, issuer: Issuer):
    token = issuer.token("orders:read", "orders:write", roles=["clerk"])
    user = await make_auth().current_user(token)
    assert (user.subject, user.org, user.client_id) == ("user-1", "acme", "shop")
    assert user.permissions == {"orders:read", "orders:write"}
    assert user.roles == {"clerk"}
    assert user.scopes == {"openid"}
    assert user.claims["iss"] == issuer.url
    assert not user.is_service


async def test_no_forged_token_is_accepted(make_auth: MakeAuth, issuer: Issuer):
    auth, accepted, tried = make_auth(jwks_refetch_s=3600), [], 0
    await auth.current_user(issuer.token())
    for what, token in forgeries(issuer):
        tried += 1
        try:
            await auth.current_user(token)
        except UnauthenticatedError:
            continue
        accepted.append(what)
    assert accepted == []
    assert tried >= 100
    # None of them made the service call anybody but the issuer, and that once more at most.
    assert issuer.requests.count("/jwks") <= 2


async def test_no_forged_token_is_accepted_where_plain_jwts_are(
    make_auth: MakeAuth, issuer: Issuer
):
    auth = make_auth(require_at_jwt=False, jwks_refetch_s=3600)
    accepted = []
    for what, token in forgeries(issuer):
        try:
            await auth.current_user(token)
        except UnauthenticatedError:
            continue
        accepted.append(what)
    # All that is left is the name of the kind of token, which such a provider does not give.
    assert [what for what in accepted if not what.startswith("typ ")] == []


@pytest.mark.parametrize(
    ("kind", "parameter", "header"),
    [
        ("EC", "P-256", "ES256"),
        ("OKP", "Ed25519", "Ed25519"),
        ("RSA", 2048, "RS256"),
        ("RSA", 2048, "PS256"),
        ("EC", "P-384", "ES384"),
    ],
)
async def test_algorithm_is_accepted_when_it_fits_the_key_and_the_settings(
    make_auth: MakeAuth, issuer: Issuer, kind: Any, parameter: Any, header: str
):
    issuer.rotate(kind, parameter)
    token = issuer.sign(issuer.claims(), alg=header)
    allowed = make_auth(algorithms=(header, "EdDSA"))
    assert (await allowed.current_user(token)).subject == "user-1"
    others = tuple({"ES256", "RS512", "ES512"} - {header})
    with pytest.raises(UnauthenticatedError):
        await make_auth(algorithms=others).current_user(token)


async def test_key_that_names_an_algorithm_is_good_for_no_other(
    make_auth: MakeAuth, issuer: Issuer
):
    issuer.rotate("RSA", 2048, keep=0)
    issuer.published["keys"][0]["alg"] = "PS256"
    auth = make_auth(algorithms=("RS256", "PS256"))
    await auth.current_user(issuer.sign(issuer.claims(), alg="PS256"))
    with pytest.raises(UnauthenticatedError):
        await auth.current_user(issuer.sign(issuer.claims(), alg="RS256"))


async def test_clock_of_the_issuer_may_be_a_little_wrong(make_auth: MakeAuth, issuer: Issuer):
    auth, now = make_auth(leeway_s=30), issuer.claims()["iat"]
    await auth.current_user(issuer.token(exp=now - 20))
    await auth.current_user(issuer.token(iat=now + 20, nbf=now + 20))
    with pytest.raises(UnauthenticatedError):
        await make_auth(leeway_s=0).current_user(issuer.token(exp=now - 20))


async def test_token_is_refused_once_it_has_expired(
    make_auth: MakeAuth, issuer: Issuer, clock: Clock
):
    auth, token = make_auth(), issuer.token()
    clock.passed = 329
    await auth.current_user(token)
    clock.passed = 332
    with pytest.raises(UnauthenticatedError):
        await auth.current_user(token)


async def test_one_of_several_audiences_is_enough(make_auth: MakeAuth, issuer: Issuer):
    await make_auth().current_user(issuer.token(aud=["other", AUDIENCE]))


@pytest.mark.parametrize("kind", [None, "JWT"])
async def test_provider_without_rfc_9068_is_accepted_when_the_settings_say_so(
    make_auth: MakeAuth, issuer: Issuer, kind: str | None
):
    token = issuer.sign(issuer.claims(client_id=None, azp="shop"), typ=kind)
    user = await make_auth(require_at_jwt=False).current_user(token)
    assert user.client_id == "shop"
    with pytest.raises(UnauthenticatedError):
        await make_auth().current_user(token)


@pytest.mark.parametrize(
    "claims",
    [{"nonce": "n"}, {"at_hash": "h"}, {"typ": "ID"}, {"typ": "Refresh"}, {"token_use": "id"}],
)
async def test_id_token_is_no_access_token_there_either(
    make_auth: MakeAuth, issuer: Issuer, claims: dict[str, Any]
):
    token = issuer.sign(issuer.claims(**claims), typ="JWT")
    with pytest.raises(UnauthenticatedError):
        await make_auth(require_at_jwt=False).current_user(token)


async def test_roles_and_permissions_are_found_where_other_providers_put_them(
    make_auth: MakeAuth, issuer: Issuer
):
    token = issuer.token(
        permissions=None,
        scope="orders:read orders:write",
        realm_access={"roles": ["clerk", 7]},
        **{"https://example.com/tenant": "acme-2"},
    )
    settings = {
        "permissions_claim": "scope",
        "roles_claim": "realm_access.roles",
        "org_claim": "https://example.com/tenant",
    }
    user = await make_auth(**settings).current_user(token)
    assert (user.permissions, user.roles) == ({"orders:read", "orders:write"}, {"clerk"})
    assert user.org == "acme-2"


async def test_claims_of_another_shape_give_nothing(make_auth: MakeAuth, issuer: Issuer):
    token = issuer.token(roles={"admin": True}, permissions=None, org=["acme"])
    user = await make_auth(roles_claim="roles.admin.x").current_user(token)
    assert (user.roles, user.permissions, user.org) == (frozenset(), frozenset(), None)


async def test_a_service_is_told_from_a_person(make_auth: MakeAuth, issuer: Issuer):
    user = await make_auth().current_user(issuer.token(sub="shop", client_id="shop"))
    assert user.is_service


@pytest.mark.parametrize("missing", [{"client_id": None}, {"jti": None}])
async def test_access_token_lacks_nothing_that_its_profile_asks_for(
    make_auth: MakeAuth, issuer: Issuer, missing: dict[str, Any]
):
    """RFC 9068 section 2.2; a provider that has another profile is one of `require_at_jwt=False`."""
    token = issuer.sign(issuer.claims(**missing))
    with pytest.raises(UnauthenticatedError):
        await make_auth().current_user(token)
    assert (await make_auth(require_at_jwt=False).current_user(token)).subject == "user-1"


@pytest.mark.parametrize("org", [None, "", "*", "../acme", "a b", "x" * 65, 7])
async def test_only_a_name_is_a_tenant(make_auth: MakeAuth, issuer: Issuer, org: Any):
    auth = make_auth()
    assert (await auth.current_user(issuer.token())).tenant == "acme"
    user = await auth.current_user(issuer.token(org=org))
    with pytest.raises(PermissionDeniedError):
        _ = user.tenant
