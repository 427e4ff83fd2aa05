"""Settings of the auth service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from ..core.sections import BaseUrl, Section


def check_clients(clients: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
    """Refuse what can't be registered unseen: a secret would be shown to nobody."""
    if clients:
        from .schemas import ClientCreate  # noqa: PLC0415  # heavy, and declared in few processes

        asked = [ClientCreate.model_validate(client) for client in clients]
        if any(one.id is None or one.auth_method == "client_secret_basic" for one in asked):
            raise ValueError("each needs an id, and auth_method private_key_jwt or none")
    return clients


class AuthSettings(Section):
    """Who issues tokens, how long they live, and what is asked of a password."""

    issuer: BaseUrl = Field(
        default="http://127.0.0.1:8101",
        description="The issuer: the service's public URL, https outside of development.",
    )
    encryption_key: SecretStr | None = Field(
        default=None,
        description="32 bytes in base64url that seal signing keys; `auth keygen` makes one.",
    )
    development_key_file: str = Field(
        default="data/auth-encryption.key",
        description="Where that key is made and kept when none is set; not in production.",
    )
    default_audience: str | None = Field(
        default=None,
        description="Audience of tokens of clients without one; by default the issuer.",
    )
    first_party_client: str | None = Field(
        default=None,
        description="Client of the house whose users log in at `/auth/login`; by default none.",
    )
    clients: Annotated[tuple[dict[str, Any], ...], AfterValidator(check_clients)] = Field(
        default=(),
        description="Clients that each start registers, or brings to this, with their organisations,"
        " as JSON: those of the services themselves.",
    )
    access_token_s: int = Field(
        default=300, ge=30, le=3600, description="Seconds that access and ID tokens live."
    )
    code_s: int = Field(
        default=60, ge=10, le=600, description="Seconds that an authorization code lives."
    )
    refresh_token_s: int = Field(
        default=2_592_000, ge=60, description="Seconds that an unused refresh token lives."
    )
    refresh_family_s: int = Field(
        default=7_776_000, ge=60, description="Seconds after which a user must log in again."
    )
    refresh_grace_s: float = Field(
        default=10.0,
        ge=0,
        le=60,
        description="Seconds in which the refresh token before gets the same answer again.",
    )
    clock_skew_s: int = Field(
        default=30, ge=0, le=120, description="Seconds that others' clocks may be wrong."
    )
    dpop_proof_s: int = Field(
        default=60, ge=5, le=600, description="Seconds that a DPoP proof is taken (RFC 9449)."
    )
    dpop_nonce_required: bool = Field(
        default=False, description="Whether DPoP proofs need a nonce of this service."
    )
    dpop_nonce_s: int = Field(
        default=300, ge=10, le=3_600, description="Seconds that such a nonce works."
    )
    session_s: int = Field(default=43_200, ge=60, description="Seconds that a login lives.")
    session_idle_s: int = Field(
        default=3_600, ge=60, description="Seconds without use after which a login ends."
    )
    interaction_s: int = Field(
        default=900, ge=60, description="Seconds that a user may take to log in and consent."
    )
    pushed_request_s: int = Field(
        default=90, ge=10, le=600, description="Seconds that a pushed request (PAR) lives."
    )
    key_rotation_days: int = Field(
        default=30, ge=1, description="Days after which the signing keys rotate."
    )
    key_check_s: float = Field(
        default=5.0, gt=0, le=60, description="Seconds between looks at the signing keys."
    )
    jwks_max_age_s: int = Field(
        default=300,
        ge=10,
        description="Seconds that the key set may be cached; a new key signs only after them.",
    )
    password_min_length: int = Field(
        default=12, ge=8, le=64, description="Fewest characters of a password."
    )
    password_hash_memory_kib: int = Field(
        default=19_456, ge=8, description="Memory of one argon2id hash (OWASP: 19 MiB)."
    )
    password_hash_passes: int = Field(default=2, ge=1, description="Passes of argon2id.")
    password_hash_concurrency: int = Field(
        default=4, ge=1, le=64, description="Passwords hashed at once, which bounds the memory."
    )
    lockout_threshold: int = Field(
        default=5, ge=2, description="Wrong passwords in a row before the account has to wait."
    )
    lockout_base_s: float = Field(
        default=30.0, gt=0, description="First wait in seconds; it doubles with each failure."
    )
    lockout_max_s: float = Field(default=3_600.0, gt=0, description="Longest wait in seconds.")
    attempts_per_minute: int = Field(
        default=20,
        ge=1,
        description="Logins per minute from one address, over all accounts; of all replicas together"
        " where RATE_LIMIT__URL names a server.",
    )

    registration_organisation: str | None = Field(
        default=None,
        description="Slug of the organisation that who registers joins; by default nobody can.",
    )
    mail_link_s: int = Field(
        default=3_600, ge=300, le=86_400, description="Seconds that a link in a message works."
    )
    mails_per_hour: int = Field(
        default=5, ge=1, description="Messages with a link to one user in an hour."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        """Refuse lifetimes that contradict each other."""
        if self.refresh_family_s < self.refresh_token_s:
            raise ValueError("REFRESH_FAMILY_S must not be below REFRESH_TOKEN_S")
        if self.lockout_max_s < self.lockout_base_s:
            raise ValueError("LOCKOUT_MAX_S must not be below LOCKOUT_BASE_S")
        return self

    @property
    def is_https(self) -> bool:
        """Whether browsers reach the service over https."""
        return self.issuer.startswith("https://")

    @property
    def audience(self) -> str:
        """The audience of a token whose client names none."""
        return self.default_audience or self.issuer

    def url(self, path: str) -> str:
        """Return the public URL of a path."""
        return self.issuer + path

    def insecure(self) -> Iterator[tuple[str, bool, str, str]]:
        """Yield (variable without prefix, whether it is insecure, the problem, the fix)."""
        yield (
            "AUTH__ISSUER",
            not self.is_https,
            "tokens and passwords would travel unencrypted",
            "Set it to the public https:// URL of this service.",
        )
        yield (
            "AUTH__ENCRYPTION_KEY",
            self.encryption_key is None,
            "signing keys would be sealed with a key that lies beside the database",
            "Set it to what `auth keygen` prints.",
        )
        yield (
            "AUTH__PASSWORD_HASH_MEMORY_KIB",
            self.password_hash_memory_kib < 19_456 or self.password_hash_passes < 2,
            "password hashes are cheaper to guess than OWASP's minimum (19 MiB, 2 passes)",
            "Unset it, and AUTH__PASSWORD_HASH_PASSES.",
        )
