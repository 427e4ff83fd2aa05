"""Keys made from the one encryption key: to seal what is stored, and to mark what travels.

AES-256-GCM (NIST SP 800-38D) with a random nonce under a key per purpose, made by HKDF-SHA-256
(RFC 5869), so that what was sealed for one purpose is noise to every other.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import secrets
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .errors import KeySealError
from .settings import AuthSettings

_NONCE = 12


def new_encryption_key() -> str:
    """Return a new encryption key, as the setting takes it."""
    return encode(secrets.token_bytes(32))


def new_secret() -> str:
    """Return 256 random bits in base64url: a token, a code, a client secret, a cookie."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """Return what is kept of a secret of 256 random bits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def encode(plain: bytes) -> str:
    """Return base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(plain).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Return the bytes of base64url without padding.

    Raises:
        ValueError: When it is not exactly what `encode` writes.
    """
    try:
        plain = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64url") from error
    # Two texts for the same bytes would make a token that was changed and still verifies.
    if encode(plain) != text:
        raise ValueError("not canonical base64url")
    return plain


class Sealer:
    """Seals and marks under keys made from one encryption key."""

    def __init__(self, key: bytes) -> None:
        """Use a key.

        Raises:
            ValueError: When it is not 32 bytes long.
        """
        if len(key) != 32:
            raise ValueError("AUTH__ENCRYPTION_KEY: write 32 bytes, as `auth keygen` prints them")
        self._key = key
        self._made: dict[str, bytes] = {}

    @classmethod
    def of(cls, settings: AuthSettings) -> Sealer:
        """Return the sealer that the settings name; without a key, one for development.

        Raises:
            ValueError: When the key is malformed.
        """
        given = settings.encryption_key
        text = given.get_secret_value() if given else _development_key(settings)
        try:
            key = decode(text.strip().rstrip("="))
        except ValueError:
            key = b""
        return cls(key)

    def seal(self, purpose: str, plain: bytes, about: str = "") -> bytes:
        """Return bytes that only `open` with the same purpose and `about` can read."""
        nonce = os.urandom(_NONCE)
        return nonce + AESGCM(self._for(purpose)).encrypt(nonce, plain, about.encode())

    def open(self, purpose: str, sealed: bytes, about: str = "") -> bytes:
        """Return what was sealed.

        Raises:
            KeySealError: When it was sealed otherwise, or changed.
        """
        try:
            return AESGCM(self._for(purpose)).decrypt(
                sealed[:_NONCE], sealed[_NONCE:], about.encode()
            )
        except (InvalidTag, ValueError):
            raise KeySealError(
                "What is stored was sealed with another AUTH__ENCRYPTION_KEY."
            ) from None

    def seal_json(self, purpose: str, value: dict[str, Any], about: str = "") -> str:
        """Return a value sealed as text for a URL, a form or a cookie."""
        return encode(self.seal(purpose, json.dumps(value).encode(), about))

    def open_json(self, purpose: str, text: str, about: str = "") -> dict[str, Any] | None:
        """Return what `seal_json` sealed, or None when it was made otherwise."""
        try:
            value = json.loads(self.open(purpose, decode(text), about))
        except (KeySealError, ValueError):
            return None
        return value if isinstance(value, dict) else None

    def mark(self, purpose: str, text: str) -> str:
        """Return an authentication code of a text."""
        return encode(hmac.digest(self._for(purpose), text.encode(), "sha256"))

    def _for(self, purpose: str) -> bytes:
        key = self._made.get(purpose)
        if key is None:
            info = f"slipway/auth/{purpose}/v1".encode()
            key = HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(self._key)
            self._made[purpose] = key
        return key


def _development_key(settings: AuthSettings) -> str:
    """Return the key in the development key file, which is made when it is not there."""
    path = Path(settings.development_key_file)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        # Linked into place whole: another process sees either no key or all of it.
        made = path.with_name(f"{path.name}.{os.getpid()}")
        made.touch(0o600)
        made.write_text(new_encryption_key())
        path.hardlink_to(made)
    except FileExistsError:
        pass
    finally:
        made.unlink(missing_ok=True)
    return path.read_text()
