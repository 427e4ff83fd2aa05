"""Passwords: argon2id (RFC 9106) beside the event loop, and what a password must be like."""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio
import anyio.to_thread
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from .errors import PasswordPolicyError
from .settings import AuthSettings

_MAX_LENGTH = 200  # characters; a hash of a megabyte would be a cheap way to keep us busy

# The passwords of at least eight characters that lists of leaked ones begin with, and what people
# put around them is taken off before the comparison (NIST SP 800-63B section 3.1.1.2).
_COMMON = frozenset(
    [
        "password",
        "passwort",
        "administrator",
        "changeme",
        "letmein",
        "welcome",
        "qwerty",
        "qwertz",
        "qwertyuiop",
        "asdfghjkl",
        "zxcvbnm",
        "1q2w3e4r",
        "1q2w3e4r5t",
        "iloveyou",
        "sunshine",
        "princess",
        "football",
        "baseball",
        "superman",
        "trustno1",
        "starwars",
        "whatever",
        "computer",
        "internet",
        "dragon",
        "monkey",
        "master",
        "secret",
        "correcthorsebatterystaple",
    ]
)
_AROUND = "0123456789!@#$%^&*()-_=+.,?"


@dataclass(frozen=True)
class Passwords:
    """Hashes and checks passwords, a few at a time.

    Attributes:
        settings: How costly a hash is, and the policy.
    """

    settings: AuthSettings
    _hasher: PasswordHasher = field(init=False, repr=False)
    _limiter: anyio.CapacityLimiter = field(init=False, repr=False)
    _nobody: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        hasher = PasswordHasher(
            time_cost=self.settings.password_hash_passes,
            memory_cost=self.settings.password_hash_memory_kib,
            parallelism=1,
        )
        object.__setattr__(self, "_hasher", hasher)
        limiter = anyio.CapacityLimiter(self.settings.password_hash_concurrency)
        object.__setattr__(self, "_limiter", limiter)
        object.__setattr__(self, "_nobody", hasher.hash("nobody has this password"))

    async def hash(self, password: str) -> str:
        """Return what is kept of a password."""
        return await anyio.to_thread.run_sync(self._hasher.hash, password, limiter=self._limiter)

    async def matches(self, kept: str | None, password: str) -> bool:
        """Whether a password is the one; for nobody (None) it takes as long to say no."""

        def check() -> bool:
            try:
                return self._hasher.verify(kept or self._nobody, password[: _MAX_LENGTH + 1])
            except (VerificationError, InvalidHashError):
                return False

        is_right = await anyio.to_thread.run_sync(check, limiter=self._limiter)
        return is_right and kept is not None

    def is_outdated(self, kept: str) -> bool:
        """Whether a hash was made with other costs than today's."""
        return self._hasher.check_needs_rehash(kept)

    def require_good(self, password: str, *, about: tuple[str, ...] = ()) -> None:
        """Refuse a password that is too easy to guess (NIST SP 800-63B: length, no composition).

        Args:
            password: What the user wants.
            about: What everybody knows of the user: the address, the name.

        Raises:
            PasswordPolicyError: Saying what to change.
        """
        least = self.settings.password_min_length
        if not least <= len(password) <= _MAX_LENGTH:
            raise PasswordPolicyError(f"Use {least} to {_MAX_LENGTH} characters.")
        if len(set(password)) < 5:
            raise PasswordPolicyError("Use more different characters.")
        plain = "".join(password.lower().split())
        if {plain, plain.strip(_AROUND)} & _COMMON:
            raise PasswordPolicyError("This is one of the passwords that are tried first.")
        known = [part for text in about for part in (text.lower(), text.lower().partition("@")[0])]
        if any(len(part) >= 4 and part in plain for part in known):
            raise PasswordPolicyError("Leave your name and address out of it.")
