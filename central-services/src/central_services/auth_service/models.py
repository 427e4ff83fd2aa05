"""The tables of the auth service. After a change: `db revision --package auth_service -m WHAT`.

Of what a caller shows to prove something (a code, a refresh token, a cookie, a secret) only the
SHA-256 is kept: all of them are 256 random bits, so there is nothing to guess.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, LargeBinary, String, false, text
from sqlalchemy.orm import Mapped, mapped_column

from ..core.database import Base

Digest = String(64)
Name = String(200)


class OrganisationRow(Base):
    """A tenant."""

    __tablename__ = "auth_organisations"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(63), unique=True)
    name: Mapped[str] = mapped_column(Name)
    created_at: Mapped[datetime]


class RoleRow(Base):
    """A named set of permissions in an organisation."""

    __tablename__ = "auth_roles"
    __table_args__ = (Index(None, "organisation_id", "name", unique=True),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    organisation_id: Mapped[UUID] = mapped_column(
        ForeignKey("auth_organisations.id", ondelete="CASCADE")
    )
    name: Mapped[str] = mapped_column(String(63))
    permissions: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime]


class UserRow(Base):
    """A person; the e-mail address is kept in lower case."""

    __tablename__ = "auth_users"
    __table_args__ = (
        CheckConstraint("status IN ('active', 'disabled')", name="status_is_known"),
        Index(None, "organisation_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    organisation_id: Mapped[UUID] = mapped_column(
        ForeignKey("auth_organisations.id", ondelete="CASCADE")
    )
    email: Mapped[str] = mapped_column(String(254), unique=True)
    email_verified: Mapped[bool]
    name: Mapped[str] = mapped_column(Name)
    password_hash: Mapped[str] = mapped_column(String(200))
    status: Mapped[str] = mapped_column(String(16))
    failed_logins: Mapped[int]
    locked_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    password_changed_at: Mapped[datetime]


class UserRoleRow(Base):
    """That a user has a role."""

    __tablename__ = "auth_user_roles"

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("auth_users.id", ondelete="CASCADE"), primary_key=True
    )
    role_id: Mapped[UUID] = mapped_column(
        ForeignKey("auth_roles.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class ClientRow(Base):
    """A client application (RFC 6749 section 2); its own tokens name its organisation, if it has one."""

    __tablename__ = "auth_clients"
    __table_args__ = (
        CheckConstraint(
            "auth_method IN ('none', 'client_secret_basic', 'client_secret_post',"
            " 'private_key_jwt')",
            name="auth_method_is_known",
        ),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(Name)
    organisation: Mapped[str | None] = mapped_column(String(63))
    auth_method: Mapped[str] = mapped_column(String(32))
    secret_digest: Mapped[str | None] = mapped_column(Digest)
    jwks: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    redirect_uris: Mapped[list[str]] = mapped_column(JSON)
    post_logout_redirect_uris: Mapped[list[str]] = mapped_column(JSON)
    grant_types: Mapped[list[str]] = mapped_column(JSON)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    permissions: Mapped[list[str]] = mapped_column(JSON)
    audiences: Mapped[list[str]] = mapped_column(JSON)
    id_token_alg: Mapped[str] = mapped_column(String(8))
    skip_consent: Mapped[bool]
    require_pushed_requests: Mapped[bool]
    may_introspect: Mapped[bool]
    may_act_for: Mapped[list[str]] = mapped_column(JSON, server_default=text("'[]'"))
    dpop_bound_access_tokens: Mapped[bool] = mapped_column(server_default=false())
    disabled: Mapped[bool]
    created_at: Mapped[datetime]


class SigningKeyRow(Base):
    """A signing key; its private part is sealed."""

    __tablename__ = "auth_signing_keys"
    __table_args__ = (
        CheckConstraint("state IN ('next', 'active', 'retiring')", name="state_is_known"),
        # One rotation at a time: a second one that made the same step would break this.
        Index(
            "uq_auth_signing_keys_one_per_state",
            "alg",
            "state",
            unique=True,
            sqlite_where=text("state <> 'retiring'"),
            postgresql_where=text("state <> 'retiring'"),
        ),
    )

    kid: Mapped[str] = mapped_column(String(64), primary_key=True)
    alg: Mapped[str] = mapped_column(String(8))
    state: Mapped[str] = mapped_column(String(16))
    public_jwk: Mapped[dict[str, Any]] = mapped_column(JSON)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    activated_at: Mapped[datetime | None]
    remove_at: Mapped[datetime | None]


class SessionRow(Base):
    """A login in a browser."""

    __tablename__ = "auth_sessions"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    cookie_digest: Mapped[str] = mapped_column(Digest, unique=True)
    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("auth_users.id", ondelete="CASCADE"), index=True
    )
    user_agent: Mapped[str] = mapped_column(Name)
    authenticated_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    revoked_at: Mapped[datetime | None]


class ConsentRow(Base):
    """What a user let a client do."""

    __tablename__ = "auth_consents"

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("auth_users.id", ondelete="CASCADE"), primary_key=True
    )
    client_id: Mapped[str] = mapped_column(
        ForeignKey("auth_clients.id", ondelete="CASCADE"), primary_key=True
    )
    scopes: Mapped[list[str]] = mapped_column(JSON)
    given_at: Mapped[datetime]


class FamilyRow(Base):
    """What one authorization led to: every token of it dies with it (RFC 9700 section 4.14).

    `jkt` is the thumbprint of the key that its code or refresh token is bound to (RFC 9449).
    """

    __tablename__ = "auth_token_families"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("auth_clients.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("auth_users.id", ondelete="CASCADE"), index=True
    )
    session_id: Mapped[UUID | None] = mapped_column(index=True)
    scope: Mapped[str] = mapped_column(String(1000))
    audiences: Mapped[list[str]] = mapped_column(JSON)
    generation: Mapped[int]
    authenticated_at: Mapped[datetime]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    revoked_at: Mapped[datetime | None]
    revoked_because: Mapped[str | None] = mapped_column(String(32))
    jkt: Mapped[str | None] = mapped_column(String(64))


class CodeRow(Base):
    """An authorization code."""

    __tablename__ = "auth_codes"

    digest: Mapped[str] = mapped_column(Digest, primary_key=True)
    family_id: Mapped[UUID] = mapped_column(
        ForeignKey("auth_token_families.id", ondelete="CASCADE")
    )
    client_id: Mapped[str] = mapped_column(String(64))
    redirect_uri: Mapped[str] = mapped_column(String(2000))
    nonce: Mapped[str | None] = mapped_column(String(1000))
    code_challenge: Mapped[str] = mapped_column(String(128))
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class RefreshTokenRow(Base):
    """A refresh token; `replay` is the sealed answer that its use got, for the grace."""

    __tablename__ = "auth_refresh_tokens"
    __table_args__ = (Index(None, "family_id", "generation", unique=True),)

    digest: Mapped[str] = mapped_column(Digest, primary_key=True)
    family_id: Mapped[UUID] = mapped_column(
        ForeignKey("auth_token_families.id", ondelete="CASCADE")
    )
    generation: Mapped[int]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    replay: Mapped[bytes | None] = mapped_column(LargeBinary)


class RevokedTokenRow(Base):
    """An access token that was revoked by itself, until it would have expired anyway."""

    __tablename__ = "auth_revoked_tokens"

    jti: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class SeenAssertionRow(Base):
    """A client assertion or proof that was used, until it would have expired anyway."""

    __tablename__ = "auth_seen_assertions"

    digest: Mapped[str] = mapped_column(Digest, primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class PushedRequestRow(Base):
    """An authorization request that a client pushed (RFC 9126)."""

    __tablename__ = "auth_pushed_requests"

    digest: Mapped[str] = mapped_column(Digest, primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("auth_clients.id", ondelete="CASCADE"))
    parameters: Mapped[dict[str, str]] = mapped_column(JSON)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class ApiKeyRow(Base):
    """An API key of a user, or of an organisation; `hint` is how its text begins."""

    __tablename__ = "auth_api_keys"
    __table_args__ = (Index(None, "organisation_id", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(Digest, unique=True)
    hint: Mapped[str] = mapped_column(String(16))
    organisation_id: Mapped[UUID] = mapped_column(
        ForeignKey("auth_organisations.id", ondelete="CASCADE")
    )
    user_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("auth_users.id", ondelete="CASCADE"), index=True
    )
    name: Mapped[str] = mapped_column(Name)
    permissions: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class MailTokenRow(Base):
    """A link that was mailed; it is good for one use, and for the address that it went to."""

    __tablename__ = "auth_mail_tokens"
    __table_args__ = (
        CheckConstraint("purpose IN ('reset', 'verify')", name="purpose_is_known"),
        Index(None, "user_id", "created_at"),
    )

    digest: Mapped[str] = mapped_column(Digest, primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("auth_users.id", ondelete="CASCADE"))
    purpose: Mapped[str] = mapped_column(String(16))
    email: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]


class MailQueueRow(Base):
    """Something to be mailed, until it was."""

    __tablename__ = "auth_mail_queue"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    box: Mapped[bytes] = mapped_column(LargeBinary)
    tries: Mapped[int]
    due_at: Mapped[datetime] = mapped_column(index=True)
    created_at: Mapped[datetime]
