# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Settings of the audit client: where events are forwarded to, as whom, and how their receipts are checked."""

from collections.abc import Iterator

from pydantic import Field, SecretStr

from .sections import BaseUrl, CommaList, Section


class CentralAuditSettings(Section):
    """Where the trail's events are forwarded to, and as whom."""

    enabled: bool = Field(
        default=True,
        description="Whether the service forwards events by itself; otherwise they wait in the trail.",
    )
    url: BaseUrl = Field(
        default="http://127.0.0.1:8102",
        description="The central audit service; https in production.",
    )
    audience: str | None = Field(
        default=None, description="What a token for it must name; by default the URL."
    )
    keys: CommaList = Field(
        default=(), description="Verification keys of its log; receipts are checked where set."
    )
    token: SecretStr | None = Field(
        default=None, description="A bearer token to send, where no token is got from an issuer."
    )
    client_id: str | None = Field(
        default=None, description="This service's id at the issuer; by default CENTRAL_AUTH's."
    )
    client_secret: SecretStr | None = Field(default=None, description="Its secret.")
    client_key: SecretStr | None = Field(
        default=None, description="Instead of a secret: its private JWK, as JSON."
    )
    token_url: BaseUrl | None = Field(
        default=None, description="Where tokens are got; needed with a client id of its own."
    )
    batch: int = Field(default=200, ge=1, le=500, description="Events of one call at most.")
    interval_s: float = Field(
        default=1.0, gt=0, le=60, description="Seconds between two looks for new events."
    )
    max_oldest_s: int = Field(
        default=900, ge=1, description="Seconds that an event may wait before readiness says so."
    )

    @property
    def token_audience(self) -> str:
        """Whom a token for the service is for."""
        return self.audience or self.url

    def insecure(self) -> Iterator[tuple[str, bool, str, str]]:
        """Yield rules for production, as `PlatformSettings` does."""
        urls = (self.url, self.token_url)
        yield (
            "CENTRAL_AUDIT__URL",
            self.enabled
            and any(url is not None and not url.startswith("https://") for url in urls),
            "events and tokens would travel unencrypted",
            "Set it, and TOKEN_URL where it is set, to https:// URLs.",
        )
        yield (
            "CENTRAL_AUDIT__TOKEN_URL",
            self.client_id is not None and self.token_url is None,
            "a client id without an address to get tokens at forwards nothing",
            "Set it, or unset CLIENT_ID to use CENTRAL_AUTH's.",
        )
