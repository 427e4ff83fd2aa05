# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""How keys are spelt on a server, and how values there are signed."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from functools import cached_property
from hashlib import blake2b
from typing import Any, NamedTuple

from .namespace import Namespace

MAC_BYTES = 16


class Keys(NamedTuple):
    """The three keys that belong to a value."""

    generation: bytes
    value: bytes
    lock: bytes


class KeyRing:
    """Spells keys, and signs values.

    A key is a digest unless its namespace says otherwise: what services cache by (user ids, e-mail
    addresses, tokens) is nobody's business on a shared server. A plain digest of something guessable
    can be guessed; with a signing key it can't.

    Args:
        scope: Returns service, environment and version; called once, at first use.
        signing_key: The secret; without it values are not signed.
    """

    def __init__(self, scope: Callable[[], str], signing_key: bytes | None) -> None:
        self._scope = scope
        self._secret = (
            blake2b(signing_key, person=b"cache", digest_size=32).digest() if signing_key else b""
        )
        self._mac_bytes = MAC_BYTES if signing_key else 0

    @cached_property
    def prefix(self) -> bytes:
        """What every key of this service, environment and version starts with.

        The braces make one cluster slot of all of them, which a script that takes many needs.
        """
        return ("{" + self._scope() + "}:").encode()

    def of(self, space: Namespace[Any], key: str) -> Keys:
        """Return the keys of a value."""
        text = key.encode("utf-8", "surrogatepass")
        if not space.plain_keys:
            text = blake2b(text, key=self._secret, digest_size=16).hexdigest().encode()
        name = b"%s:%s" % (space.id.encode(), text)
        prefix = self.prefix
        return Keys(self.generation(space), prefix + b"v:" + name, prefix + b"l:" + name)

    def generation(self, space: Namespace[Any]) -> bytes:
        """Return the key of a namespace's generation."""
        return self.prefix + b"g:" + space.id.encode()

    def sign(self, key: bytes, raw: bytes) -> bytes:
        """Return bytes with a signature that holds under this key only."""
        return self._mac(key, raw) + raw if self._mac_bytes else raw

    def verify(self, key: bytes, signed: bytes) -> bytes | None:
        """Return the bytes that were signed, or None when the signature does not hold."""
        if not self._mac_bytes:
            return signed
        mac, raw = signed[: self._mac_bytes], signed[self._mac_bytes :]
        return raw if hmac.compare_digest(mac, self._mac(key, raw)) else None

    def _mac(self, key: bytes, raw: bytes) -> bytes:
        mac = blake2b(len(key).to_bytes(4), key=self._secret, digest_size=MAC_BYTES)
        mac.update(key)
        mac.update(raw)
        return mac.digest()
