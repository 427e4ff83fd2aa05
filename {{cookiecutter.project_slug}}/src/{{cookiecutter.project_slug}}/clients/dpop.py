# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Tokens that are bound to a key (DPoP, RFC 9449), and the proofs of having it.

Who steals such a token has not its key. A caller sends `Authorization: DPoP <token>`, and in the
header `DPoP` a proof for this one request, which works once in each process.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from joserfc import jwk
from joserfc.errors import JoseError

from ._access_tokens import (
    MAX_TOKEN_CHARACTERS,
    Claims,
    InvalidTokenError,
    decoded,
    holds,
    json_object,
    moment,
)

ALGORITHMS = ("ES256", "ES384", "PS256", "RS256", "EdDSA", "Ed25519")
"""What a proof may be signed with; none of them needs a secret that we would share."""

MAX_REMEMBERED = 100_000
"""Proofs that are remembered; of more, the oldest is forgotten before its time."""

_HEADERS = frozenset({"typ", "alg", "jwk", "kid"})
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_PORTS = {"https": 443, "http": 80}
_MAX_JTI = 512


class InvalidProofError(InvalidTokenError):
    """The proof does not hold; the text is for logs and tests, a caller is told less."""


@dataclass(frozen=True, slots=True)
class ProvenRequest:
    """A request, as a proof has to name it.

    Attributes:
        method: Its method.
        host: What it says in `Host`.
        paths: What its path is called outside: with the prefix that a proxy strips, and without.
        proofs: Its `DPoP` headers.
    """

    method: str
    host: str
    paths: Collection[str]
    proofs: Sequence[str]


class Proofs:
    """Checks proofs, and remembers those that were used.

    Args:
        lifetime_s: Seconds that a proof works.
        leeway_s: Seconds that a caller's clock may be wrong.
        clock: Seconds since 1970.
    """

    def __init__(self, *, lifetime_s: int, leeway_s: int, clock: Callable[[], float]) -> None:
        self._lifetime_s = lifetime_s
        self._leeway_s = leeway_s
        self._clock = clock
        self._used: OrderedDict[bytes, float] = OrderedDict()

    def check(self, request: ProvenRequest, token: str, claims: Claims) -> None:
        """See to it that a request is by who has the key of its token.

        Args:
            request: The request.
            token: Its token, which is valid.
            claims: What that says.

        Raises:
            InvalidTokenError: The token is bound to no key.
            InvalidProofError: What RFC 9449 section 4.3 finds wrong.
        """
        bound = claims.get("cnf")
        if not isinstance(bound, dict) or bound.keys() != {"jkt"}:
            raise InvalidTokenError("not bound to a key of DPoP")
        if len(request.proofs) != 1:
            raise InvalidProofError("there is not exactly one proof")
        key, said = verified_proof(request.proofs[0])
        if key.thumbprint() != bound["jkt"]:
            raise InvalidProofError("the proof is by another key")
        digest = hashlib.sha256(token.encode("ascii")).digest()
        if said.get("ath") != urlsafe_b64encode(digest).rstrip(b"=").decode():
            raise InvalidProofError("the proof is for another token")
        if said.get("htm") != request.method or not _is_for(said.get("htu"), request):
            raise InvalidProofError("the proof is for another request")
        self._use(said, str(bound["jkt"]))

    def _use(self, said: Claims, thumbprint: str) -> None:
        """Refuse a proof that is not of now, or comes again."""
        issued, now = moment(said, "iat"), self._clock()
        if not now - self._lifetime_s - self._leeway_s <= issued <= now + self._leeway_s:
            raise InvalidProofError("the proof is too old, or from the future")
        jti = said.get("jti")
        if not isinstance(jti, str) or not 0 < len(jti) <= _MAX_JTI:
            raise InvalidProofError("jti is missing, or no text of a sane size")
        while self._used and next(iter(self._used.values())) <= now:
            self._used.popitem(last=False)
        mark = hashlib.sha256(f"{thumbprint}\n{jti}".encode()).digest()
        if mark in self._used:
            raise InvalidProofError("the proof was used before")
        # Kept for as long as the latest one may come again: so the oldest is always the first.
        self._used[mark] = now + self._lifetime_s + 2 * self._leeway_s
        if len(self._used) > MAX_REMEMBERED:
            self._used.popitem(last=False)


def verified_proof(proof: str) -> tuple[jwk.Key, Claims]:
    """Return the key of a proof, and what the proof says, once the one has signed the other.

    What it says is not looked at (RFC 9449 section 4.3, steps 2 to 7).

    Raises:
        InvalidProofError: It is none, or its signature does not hold.
    """
    if len(proof) > MAX_TOKEN_CHARACTERS or proof.count(".") != 2 or not proof.isascii():
        raise InvalidProofError("the proof is no compact JWS of a sane size")
    signed, _, third = proof.rpartition(".")
    first, second = signed.split(".")
    try:
        header, said = json_object(decoded(first)), json_object(decoded(second))
        signature = decoded(third)
    except InvalidTokenError as error:
        raise InvalidProofError(str(error)) from error
    if header.get("typ") != "dpop+jwt" or not header.keys() <= _HEADERS:
        raise InvalidProofError("the proof is no dpop+jwt")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise InvalidProofError("the algorithm of the proof is not one that is accepted")
    key = _public(header.get("jwk"))
    if not holds(algorithm, signed.encode(), signature, key):
        raise InvalidProofError("the signature of the proof does not hold")
    return key, said


def _public(found: object) -> jwk.Key:
    """Return the key in a header: public, asymmetric, and no weaker than 2,048 bits of RSA."""
    if not isinstance(found, dict) or found.keys() & _PRIVATE:
        raise InvalidProofError("the proof has no public jwk")
    is_strong = found.get("kty") in {"EC", "OKP"} or (
        found.get("kty") == "RSA" and len(str(found.get("n", ""))) >= 342
    )
    if not is_strong:
        raise InvalidProofError("the key of the proof is of a kind that is not accepted")
    try:
        return jwk.import_key(found)
    except (JoseError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidProofError("the jwk of the proof is none") from error


def _is_for(url: object, request: ProvenRequest) -> bool:
    """Whether a URL is that of a request, but for query and fragment (section 4.3).

    Behind a proxy that ends TLS a request does not know its scheme: both count. Hosts are those that
    the service serves (`SECURITY__ALLOWED_HOSTS`).
    """
    if not isinstance(url, str):
        return False
    try:
        named, own = urlsplit(url), urlsplit(f"//{request.host}")
        ports = named.port, own.port
    except ValueError:
        return False
    default = _PORTS.get(named.scheme)
    return (
        default is not None
        and (named.hostname or "").lower() == (own.hostname or "").lower()
        and (ports[0] or default) == (ports[1] or default)
        and unquote(named.path or "/") in request.paths
    )
