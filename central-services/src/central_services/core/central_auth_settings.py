# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Settings of the auth client: whose tokens are accepted, and how this service gets its own."""

from collections.abc import Iterator
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field, SecretStr

from .sections import CommaList, Section, Url

Algorithm = Literal[
    "ES256", "ES384", "ES512", "EdDSA", "Ed25519", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"
]  # fmt: skip
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)
"""What a token may be signed with: never a shared secret (HS256, ...), never nothing."""


def _known(names: tuple[str, ...]) -> tuple[str, ...]:
    wrong = [name for name in names if name not in ALGORITHMS]
    if wrong or not names:
        raise ValueError(f"choose from {', '.join(ALGORITHMS)}")
    return names


class CentralAuthSettings(Section):
    """Whose tokens the service accepts, what they must say, and the service's own credentials."""

    issuer: Url = Field(
        default="http://127.0.0.1:8101",
        description="The issuer, exactly as tokens name it: any OpenID provider; https in production.",
    )
    audience: str = Field(
        default="urn:slipway:central-services",
        min_length=1,
        description="What a token's audience must contain: this service.",
    )
    jwks_url: Url | None = Field(
        default=None, description="Where the issuer's keys are; by default its metadata says so."
    )
    jwks: str | None = Field(
        default=None,
        description="The issuer's public keys themselves, as a JWK set; then nothing is fetched.",
    )
    algorithms: Annotated[CommaList, AfterValidator(_known)] = Field(
        default=("ES256", "EdDSA", "RS256"),
        description="Signature algorithms that are accepted, of those that fit the issuer's key.",
    )
    require_at_jwt: bool = Field(
        default=True,
        description="Ask for typ at+jwt (RFC 9068); false for providers that send JWT or no typ.",
    )
    leeway_s: int = Field(
        default=30, ge=0, le=120, description="Seconds that the issuer's clock may be wrong."
    )
    dpop_proof_s: int = Field(
        default=60, ge=1, le=600, description="Seconds that a proof of a bound token's key works."
    )
    roles_claim: str = Field(
        default="roles", description="Claim of the roles; a dot leads inside: realm_access.roles."
    )
    permissions_claim: str = Field(
        default="permissions", description="Claim of the permissions; scope, where there is none."
    )
    org_claim: str = Field(default="org", description="Claim of the organisation (the tenant).")
    jwks_max_age_s: int = Field(
        default=300, ge=1, description="Seconds after which the keys are fetched again, unawaited."
    )
    jwks_max_stale_s: int = Field(
        default=86_400, ge=0, description="Seconds more that they serve while the issuer is down."
    )
    jwks_refetch_s: float = Field(
        default=5.0, gt=0, description="Least seconds between two fetches, whatever tokens name."
    )
    client_id: str | None = Field(
        default=None,
        description="This service's own id at the issuer, for calls to other services.",
    )
    client_secret: SecretStr | None = Field(
        default=None, description="Its secret (client_secret_basic)."
    )
    client_key: SecretStr | None = Field(
        default=None, description="Instead of a secret: its private JWK, as JSON (private_key_jwt)."
    )
    token_url: Url | None = Field(
        default=None, description="Where tokens are got; by default the issuer's metadata says so."
    )
    audience_parameter: Literal["resource", "audience"] = Field(
        default="resource", description="How the issuer is told whom a token is for (RFC 8707)."
    )
    assertion_audience: str | None = Field(
        default=None,
        description="Whom an assertion made with CLIENT_KEY is for; by default where tokens are got.",
    )

    def insecure(self) -> Iterator[tuple[str, bool, str, str]]:
        """Yield rules for production, as `PlatformSettings` does."""
        urls = (self.issuer, self.jwks_url, self.token_url)
        yield (
            "CENTRAL_AUTH__ISSUER",
            any(url is not None and not url.startswith("https://") for url in urls),
            "keys and tokens would travel unencrypted, so anyone on the way could make tokens",
            "Set it, and JWKS_URL and TOKEN_URL where they are set, to https:// URLs.",
        )
