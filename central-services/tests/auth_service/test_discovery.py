"""Metadata and the key set, as clients read them."""

from __future__ import annotations

import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oidc.discovery import OpenIDProviderMetadata
from joserfc import jwk, jwt

from .conftest import ISSUER, Harness, Start

pytestmark = pytest.mark.anyio


async def test_both_metadata_documents_are_valid_and_say_the_same(auth: Harness) -> None:
    answers = [
        await auth.http.get(f"/.well-known/{name}")
        for name in ("openid-configuration", "oauth-authorization-server")
    ]
    provider, server = (answer.json() for answer in answers)
    assert provider == server
    assert provider["issuer"] == ISSUER
    assert "max-age" in answers[0].headers["cache-control"]


async def test_metadata_passes_the_rules_of_the_specifications(start: Start) -> None:
    async with start(issuer="https://auth.example.com") as auth:
        document = (await auth.http.get("/.well-known/openid-configuration")).json()
    OpenIDProviderMetadata(document).validate()
    AuthorizationServerMetadata(document).validate()


async def test_every_endpoint_of_the_metadata_exists(auth: Harness) -> None:
    document = (await auth.http.get("/.well-known/openid-configuration")).json()
    urls = [url for name, url in document.items() if name.endswith(("_endpoint", "_uri"))]
    assert len(urls) == 8
    for url in urls:
        assert (await auth.http.get(url)).status_code != 404, url


async def test_key_set_has_no_private_part_and_may_be_cached(auth: Harness) -> None:
    answer = await auth.http.get("/oauth2/jwks")
    keys = answer.json()["keys"]
    assert sorted((key["alg"], key["use"]) for key in keys) == [
        ("ES256", "sig"),
        ("ES256", "sig"),
        ("RS256", "sig"),
        ("RS256", "sig"),
    ]
    assert not any({"d", "p", "q", "dp", "dq", "qi"} & key.keys() for key in keys)
    assert answer.headers["cache-control"] == "public, max-age=300"
    again = await auth.http.get("/oauth2/jwks", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_issued_tokens_verify_with_the_published_keys(auth: Harness) -> None:
    tokens = await auth.tokens()
    keys = jwk.KeySet.import_key_set((await auth.http.get("/oauth2/jwks")).json())
    access = jwt.decode(tokens["access_token"], keys, algorithms=["ES256"])
    assert access.header["typ"] == "at+jwt"
    assert access.claims["iss"] == ISSUER
    assert access.claims["client_id"] == "spa"
    assert access.claims["permissions"] == ["orders:read", "orders:write"]
    assert access.claims["org"] == "acme"
    identity = jwt.decode(tokens["id_token"], keys, algorithms=["ES256"])
    assert identity.claims["aud"] == "spa"
    assert identity.claims["nonce"] == "nonce-1"
    assert identity.claims["sub"] == access.claims["sub"]


@pytest.mark.parametrize("path", ["/login", "/oauth2/authorize", "/oauth2/jwks"])
async def test_no_page_may_be_framed(auth: Harness, path: str) -> None:
    answer = await auth.http.get(path)
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-frame-options"] == "DENY"
