"""What a client's registration may say (RFC 7591 section 2, RFC 9700)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from joserfc.errors import JoseError

from .errors import InvalidClientMetadataError
from .oauth.clients import import_keys
from .schemas import ClientCreate

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105  # the name of a grant
WITH_SECRET = frozenset({"client_secret_basic", "client_secret_post"})
"""How a client authenticates that has a secret."""
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def check_client(asked: ClientCreate) -> None:
    """Refuse a registration that contradicts itself (RFC 7591 section 2.1, RFC 9700).

    Raises:
        InvalidClientMetadataError: Saying what to change.
    """
    grants = set(asked.grant_types)
    if "authorization_code" in grants and not asked.redirect_uris:
        raise InvalidClientMetadataError("authorization_code needs redirect_uris.")
    if asked.auth_method == "none" and "client_credentials" in grants:
        raise InvalidClientMetadataError("A public client has no credentials of its own.")
    if asked.auth_method == "none" and asked.may_introspect:
        raise InvalidClientMetadataError("A public client can't ask about tokens.")
    if asked.may_act_for and (TOKEN_EXCHANGE not in grants or asked.auth_method == "none"):
        raise InvalidClientMetadataError(
            "may_act_for needs the grant token-exchange, and authentication."
        )
    if "refresh_token" in grants and "authorization_code" not in grants:
        raise InvalidClientMetadataError("refresh_token comes with authorization_code only.")
    if (asked.auth_method == "private_key_jwt") != (asked.jwks is not None):
        raise InvalidClientMetadataError("jwks goes with private_key_jwt, and only with it.")
    if asked.jwks is not None:
        _check_keys(asked.jwks)
    for uri in (*asked.redirect_uris, *asked.post_logout_redirect_uris):
        _check_redirect_uri(uri)


def _check_keys(jwks: dict[str, Any]) -> None:
    listed = jwks.get("keys")
    if not isinstance(listed, list) or not all(map(_is_strong, listed)):
        raise InvalidClientMetadataError("jwks holds EC, OKP and RSA keys from 2048 bits on.")
    try:
        keys = list(import_keys(jwks))
    except (JoseError, ValueError, KeyError, TypeError, AttributeError):
        raise InvalidClientMetadataError("jwks is no key set (RFC 7517).") from None
    if not keys or any(key.is_private for key in keys):
        raise InvalidClientMetadataError("jwks holds public keys only.")


def _is_strong(key: object) -> bool:
    """Whether a JWK is of a kind that proves something, judged before it is parsed."""
    if not isinstance(key, dict):
        return False
    # 2048 bits are 342 characters of base64url.
    is_long = len(str(key.get("n", ""))) >= 342
    return key.get("kty") in {"EC", "OKP"} or (key.get("kty") == "RSA" and is_long)


def _check_redirect_uri(uri: str) -> None:
    """Refuse a redirect URI that others could receive (RFC 9700 section 2.1, RFC 8252)."""
    parts = urlsplit(uri)
    is_local = parts.scheme == "http" and parts.hostname in _LOOPBACK
    # A private-use scheme is a reversed domain name (RFC 8252 section 7.1), so never javascript:.
    is_app = "." in parts.scheme and not parts.netloc
    is_web = parts.scheme == "https" and bool(parts.hostname)
    if not (is_local or is_app or is_web) or "*" in uri:
        raise InvalidClientMetadataError(
            f"{uri}: use https, a loopback address or an app's scheme."
        )
    if parts.fragment or "#" in uri or parts.username is not None:
        raise InvalidClientMetadataError(f"{uri}: leave out fragment and user.")
