"""DPoP (RFC 9449): tokens that are worth nothing without a key, and the proofs of having it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from authlib.oauth2.rfc6749 import OAuth2Error

from ...clients import dpop
from ..sealing import encode
from ..tokens import same

if TYPE_CHECKING:
    from .server import Call

_PORTS = {"https": 443, "http": 80}
_MAX_JTI = 512


class InvalidProofError(OAuth2Error):  # type: ignore[misc]  # Authlib has no types
    """The proof does not hold (section 5)."""

    error = "invalid_dpop_proof"


class NonceError(OAuth2Error):  # type: ignore[misc]  # as above
    """The proof needs a nonce of ours that is current (section 8)."""

    error = "use_dpop_nonce"


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof whose signature and claims hold.

    Attributes:
        jkt: The thumbprint of its key (RFC 7638).
        jti: Its own id.
        issued_at: Seconds since 1970.
        nonce: What of ours it repeats.
        token_hash: The hash of the access token that it goes with.
    """

    jkt: str
    jti: str
    issued_at: int
    nonce: str | None
    token_hash: str | None


def read_proof(proof: str, *, method: str, url: str) -> Proof:
    """Return a proof that holds for a request, its time, nonce and token not yet checked.

    Args:
        proof: The header.
        method: The request's method.
        url: The request's URL without query, as clients know it.

    Raises:
        InvalidProofError: Saying what section 4.3 finds wrong.
    """
    try:
        key, claims = dpop.verified_proof(proof)
    except dpop.InvalidProofError as error:
        raise InvalidProofError(f"The proof is none: {error}.") from error
    jti, issued = claims.get("jti"), claims.get("iat")
    nonce, ath = claims.get("nonce"), claims.get("ath")
    # A bool is an int to Python.
    if not isinstance(jti, str) or not 0 < len(jti) <= _MAX_JTI or type(issued) is not int:
        raise InvalidProofError("The proof needs jti and iat.")
    if not isinstance(nonce, str | None) or not isinstance(ath, str | None):
        raise InvalidProofError("A claim of the proof has another type.")
    if claims.get("htm") != method or not _is_same_url(claims.get("htu"), url):
        raise InvalidProofError("The proof is for another request.")
    return Proof(key.thumbprint(), jti, issued, nonce, ath)


def token_hash(access_token: str) -> str:
    """Return what a proof says of the access token that it goes with (section 4.2)."""
    return encode(hashlib.sha256(access_token.encode("ascii")).digest())


def check_proof(
    call: Call,
    proofs: Sequence[str],
    *,
    method: str,
    url: str,
    access_token: str | None = None,
) -> str | None:
    """Return the thumbprint of the key that a request proves to have; None without a proof.

    Raises:
        InvalidProofError: When the proof does not hold, or comes again.
        NonceError: When it needs a nonce.
    """
    if not proofs:
        return None
    if len(proofs) > 1:
        raise InvalidProofError("There are two proofs.")
    proof, settings = read_proof(proofs[0], method=method, url=url), call.settings
    now, skew = call.now.timestamp(), settings.clock_skew_s
    if not now - settings.dpop_proof_s - skew <= proof.issued_at <= now + skew:
        raise InvalidProofError("The proof is too old, or from the future.")
    is_current = proof.nonce is not None and is_nonce(call, proof.nonce)
    # A nonce that is sent is checked also where none is asked for.
    if not is_current and (settings.dpop_nonce_required or proof.nonce is not None):
        raise NonceError("Repeat the request with the nonce of this answer.")
    if access_token is not None and not same(proof.token_hash or "", token_hash(access_token)):
        raise InvalidProofError("The proof is for another access token.")
    mark = hashlib.sha256(f"dpop\n{proof.jkt}\n{proof.jti}".encode()).hexdigest()
    until = proof.issued_at + settings.dpop_proof_s + skew + 1
    if not call.store.is_first(mark, datetime.fromtimestamp(until, UTC)):
        raise InvalidProofError("The proof was used before.")
    return proof.jkt


def new_nonce(call: Call) -> str:
    """Return a nonce that works for a while, and that no row is kept for."""
    at = str(int(call.now.timestamp()))
    return f"{at}.{call.sealer.mark('dpop-nonce', at)}"


def is_nonce(call: Call, nonce: str) -> bool:
    """Whether a nonce is ours and still works."""
    at, _, mark = nonce.partition(".")
    if not (at.isascii() and at.isdigit() and len(at) < 16 and mark.isascii()):
        return False
    age = call.now.timestamp() - int(at)
    is_fresh = -1 <= age <= call.settings.dpop_nonce_s
    return is_fresh and same(mark, call.sealer.mark("dpop-nonce", at))


def _is_same_url(one: object, other: str) -> bool:
    """Whether two URLs are the same but for query and fragment (RFC 9449 section 4.3)."""
    if not isinstance(one, str):
        return False
    try:
        return _normal(one) == _normal(other)
    except ValueError:
        return False


def _normal(url: str) -> tuple[str, str, int | None, str]:
    parts = urlsplit(url)
    port = parts.port or _PORTS.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").lower(), port, parts.path or "/"
