"""The shapes of users, organisations, roles and clients on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr

_SCOPE = r"^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$"
_PLAIN = r"^[^\x00-\x1f\x7f]*$"

Slug: TypeAlias = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
        min_length=1,
        max_length=63,
        examples=["acme"],
    ),
]
Email: TypeAlias = Annotated[
    str,
    Field(
        pattern=r"^[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+$",
        max_length=254,
        examples=["ada@example.com"],
    ),
]
Permission: TypeAlias = Annotated[
    str,
    Field(pattern=r"^[a-z0-9_.-]+(:[a-z0-9_.-]+)*$", max_length=100, examples=["orders:write"]),
]
Scope: TypeAlias = Annotated[
    str, Field(pattern=r"^[\x21\x23-\x5b\x5d-\x7e]+$", max_length=100, examples=["openid"])
]
Uri: TypeAlias = Annotated[
    str,
    Field(pattern=r"^[\x21\x23-\x5b\x5d-\x7e]+$", max_length=2000),
]
Text: TypeAlias = Annotated[str, Field(pattern=_PLAIN, min_length=1, max_length=200)]
AuthMethod = Literal["none", "client_secret_basic", "client_secret_post", "private_key_jwt"]
GrantType = Literal[
    "authorization_code",
    "refresh_token",
    "client_credentials",
    "urn:ietf:params:oauth:grant-type:token-exchange",
]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class OrganisationCreate(_Model):
    """A new organisation."""

    slug: Slug
    name: Text


class Organisation(_Model):
    """A tenant."""

    id: UUID
    slug: str
    name: str


class LoginRequest(_Model):
    """What logs a user in."""

    email: Email
    password: SecretStr = Field(max_length=200)
    scope: Annotated[str, Field(pattern=_SCOPE, max_length=1000)] | None = Field(
        default=None, description="By default all that the client may, but `offline_access`."
    )


class RegisterRequest(_Model):
    """Who registers."""

    email: Email
    name: Text


class Registered(_Model):
    """The same for everybody, whether the address has an account or not."""

    detail: str


class RefreshRequest(_Model):
    """A refresh token."""

    refresh_token: SecretStr = Field(min_length=1, max_length=200)


class Tokens(_Model):
    """A token response (RFC 6749 section 5.1)."""

    access_token: str
    token_type: str
    expires_in: int = Field(description="Seconds.")
    scope: str
    refresh_token: str | None = None
    id_token: str | None = None


class VerifyRequest(_Model):
    """What to verify."""

    token: SecretStr = Field(min_length=1, max_length=8192)


class Verified(_Model):
    """Who a token stands for and what it permits; all else is left out when it is not active."""

    active: bool
    kind: Literal["user", "organisation", "client"] | None = None
    subject: str | None = None
    client_id: str | None = None
    organisation: str | None = None
    scope: str | None = None
    roles: list[str] | None = None
    permissions: list[str] | None = None
    audiences: list[str] | None = None
    api_key: UUID | None = Field(default=None, description="The key behind it, when there is one.")
    dpop_jkt: str | None = Field(
        default=None, description="Accept it only with a DPoP proof by this key (RFC 9449)."
    )
    expires_at: int | None = Field(default=None, description="Seconds since 1970.")


class UserCreate(_Model):
    """A new user."""

    organisation: Slug
    email: Email
    name: Text
    password: SecretStr = Field(max_length=200)
    email_verified: bool = False


class User(_Model):
    """A user, without anything secret."""

    id: UUID
    organisation: str
    email: str
    email_verified: bool
    name: str
    status: Literal["active", "disabled"]
    roles: list[str]
    created_at: datetime


class UserPage(_Model):
    """Some users by id."""

    items: list[User]
    next_cursor: str | None = Field(description="Pass it as `cursor`; null on the last page.")


class UserPut(_Model):
    """What may change of a user."""

    email: Email = Field(description="Another address is not verified.")
    name: Text
    status: Literal["active", "disabled"] = "active"


class Session(_Model):
    """A login that is open."""

    id: UUID
    user_agent: str
    authenticated_at: datetime
    seen_at: datetime
    expires_at: datetime


class UserStatus(_Model):
    """Whether a user may log in."""

    status: Literal["active", "disabled"]


class RolePut(_Model):
    """What a role permits."""

    permissions: list[Permission] = Field(max_length=200)


class Role(_Model):
    """A named set of permissions in an organisation."""

    name: str
    permissions: list[str]


class RoleCreate(_Model):
    """A new role."""

    organisation: Slug
    name: Slug
    permissions: list[Permission] = Field(max_length=200)


class TenantRole(_Model):
    """A role, with where it belongs."""

    id: UUID
    organisation: str
    name: str
    permissions: list[str]


class RolePage(_Model):
    """Some roles by id."""

    items: list[TenantRole]
    next_cursor: str | None = Field(description="Pass it as `cursor`; null on the last page.")


class RoleId(_Model):
    """Which role to give."""

    role_id: UUID


class RoleNames(_Model):
    """The roles of a user."""

    roles: list[Slug] = Field(max_length=50)


class ApiKeyCreate(_Model):
    """A new API key."""

    name: Text = Field(examples=["Nightly import"])
    permissions: list[Permission] = Field(
        max_length=200, description="At most what its owner may do, also later."
    )
    organisation: Slug | None = Field(
        default=None, description="Makes it the organisation's; by default it is the caller's."
    )
    expires_in_days: int = Field(default=90, ge=1, le=366)


class ApiKey(_Model):
    """An API key, without its text."""

    id: UUID
    hint: str = Field(description="How its text begins.")
    name: str
    organisation_id: UUID
    user_id: UUID | None = Field(description="Null for a key of the organisation.")
    permissions: list[str]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None = Field(description="To the minute.")


class NewApiKey(ApiKey):
    """An API key, with its text, which is shown this once."""

    key: str


class ApiKeyPage(_Model):
    """Some API keys by id."""

    items: list[ApiKey]
    next_cursor: str | None = Field(description="Pass it as `cursor`; null on the last page.")


class ClientCreate(_Model):
    """A new client (the metadata of RFC 7591 section 2, and what is ours)."""

    id: Slug | None = Field(default=None, description="By default a random one.")
    name: Text
    organisation: Slug | None = Field(
        default=None, description="The tenant that its own tokens are of."
    )
    auth_method: AuthMethod = Field(
        default="client_secret_basic",
        description="`none` makes it a public client; `client_secret_post` is for libraries that"
        " can't send a secret in a header.",
    )
    jwks: dict[str, Any] | None = Field(
        default=None, description="Its public keys, for `private_key_jwt`."
    )
    redirect_uris: list[Uri] = Field(default=[], max_length=20)
    post_logout_redirect_uris: list[Uri] = Field(default=[], max_length=20)
    grant_types: list[GrantType] = Field(
        default=["authorization_code", "refresh_token"], min_length=1
    )
    scopes: list[Scope] = Field(
        default=["openid", "profile", "email", "offline_access"], max_length=50
    )
    permissions: list[Permission] = Field(
        default=[], max_length=200, description="What its own tokens permit."
    )
    audiences: list[Uri] = Field(
        default=[], max_length=20, description="Whom its tokens may be for (RFC 8707)."
    )
    id_token_alg: Literal["ES256", "RS256"] = "ES256"  # noqa: S105  # the name of an algorithm
    skip_consent: bool = Field(default=False, description="For applications of the house.")
    require_pushed_requests: bool = False
    may_introspect: bool = Field(
        default=False, description="For resource servers: ask about tokens meant for them."
    )
    may_act_for: list[Slug] = Field(
        default=[],
        max_length=50,
        description="Clients whose tokens it may exchange to act for their users (RFC 8693).",
    )
    dpop_bound_access_tokens: bool = Field(
        default=False, description="Whether it gets tokens with a DPoP proof only (RFC 9449)."
    )


class Client(_Model):
    """A client, without its secret."""

    id: str
    name: str
    organisation: str | None
    auth_method: AuthMethod
    redirect_uris: list[str]
    post_logout_redirect_uris: list[str]
    grant_types: list[str]
    scopes: list[str]
    permissions: list[str]
    audiences: list[str]
    id_token_alg: str
    skip_consent: bool
    require_pushed_requests: bool
    may_introspect: bool
    may_act_for: list[str]
    dpop_bound_access_tokens: bool
    disabled: bool


class RegisteredClient(Client):
    """A client, with the secret that is shown this once."""

    secret: str | None = None


class ClientPage(_Model):
    """Some clients by id."""

    items: list[Client]
    next_cursor: str | None = Field(description="Pass it as `cursor`; null on the last page.")
