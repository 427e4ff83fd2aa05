# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Settings of outgoing mail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from .sections import CommaList, Section

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

# Only the delivery that is chosen needs these.
_REQUIRED = {
    "smtp": ("sender", "smtp_host"),
    "ses": ("sender", "ses_region", "ses_access_key_id", "ses_secret_access_key"),
    "sendgrid": ("sender", "sendgrid_api_key"),
}


class MailSettings(Section):
    """How messages leave the service, and who is told when something breaks."""

    delivery: Literal["console", "smtp", "ses", "sendgrid"] | None = Field(
        default=None,
        description="console, smtp, ses or sendgrid; by default the console, and nothing in production.",
    )
    sender: str | None = Field(
        default=None, description="From address, as in Orders <orders@example.com>."
    )
    reply_to: str | None = Field(
        default=None, description="Where answers go, if not to the sender."
    )
    bounce_address: str | None = Field(
        default=None, description="Envelope sender, where bounces go; by default the sender."
    )
    admins: CommaList = Field(
        default=(), description="Addresses told of dead letters and broken configuration."
    )
    admin_webhook_url: SecretStr | None = Field(
        default=None,
        description="URL that takes Slack's JSON; used when mail is what failed, or is not set up.",
    )
    max_message_bytes: int = Field(
        default=10_485_760, ge=1_024, description="Largest message in bytes, attachments encoded."
    )
    max_recipients: int = Field(default=50, ge=1, description="Recipients of one message.")
    timeout_s: float = Field(
        default=60.0, gt=0, description="Seconds for one message, from connecting to the answer."
    )
    sent_memory_days: int = Field(
        default=30, ge=1, description="Days for which a sent idempotency key is remembered."
    )
    when_in_doubt: Literal["resend", "hold"] = Field(
        default="resend",
        description="After a lost final answer: resend (same Message-ID), or hold, so never twice.",
    )
    records_url: SecretStr | None = Field(
        default=None,
        description="valkey:// or redis:// URL for sent keys, shared by machines; else records_path.",
    )
    records_path: str = Field(
        default="data/mail.db",
        description="SQLite file for sent keys, shared by processes; absolute in production.",
    )
    template_folders: CommaList = Field(
        default=(), description="Folders of the project's own mail templates, looked in first."
    )
    smtp_host: str | None = Field(default=None, description="SMTP server.")
    smtp_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="Its port; by default 587, 465 or 25, as TLS says.",
    )
    smtp_tls: Literal["starttls", "implicit", "none"] = Field(
        default="starttls",
        description="starttls, implicit, or none, which only a relay on this machine may have.",
    )
    smtp_local_relay: bool = Field(
        default=False, description="Allow smtp_tls=none to a relay that is not on this machine."
    )
    smtp_ca_file: str | None = Field(
        default=None, description="CA certificates (PEM) of the server; by default the system's."
    )
    smtp_username: str | None = Field(
        default=None, description="SMTP user; none logs in as nobody."
    )
    smtp_password: SecretStr | None = Field(default=None, description="SMTP password.")
    smtp_connections: int = Field(default=2, ge=1, le=50, description="Open SMTP connections.")
    smtp_idle_s: float = Field(
        default=30.0, ge=0, description="Seconds that an unused SMTP connection is kept."
    )
    ses_region: str | None = Field(
        default=None, pattern=r"^[a-z0-9-]{1,32}$", description="AWS region of Amazon SES."
    )
    ses_access_key_id: SecretStr | None = Field(default=None, description="AWS access key id.")
    ses_secret_access_key: SecretStr | None = Field(default=None, description="AWS secret key.")
    ses_session_token: SecretStr | None = Field(
        default=None, description="AWS session token of temporary credentials."
    )
    ses_configuration_set: str | None = Field(
        default=None, description="SES configuration set, for its events."
    )
    ses_url: str | None = Field(
        default=None, description="Endpoint; by default that of the region."
    )
    sendgrid_api_key: SecretStr | None = Field(default=None, description="SendGrid API key.")
    sendgrid_url: str = Field(
        default="https://api.sendgrid.com",
        description="Endpoint; https://api.eu.sendgrid.com in the EU.",
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """Refuse a delivery that lacks what it needs."""
        missing = [n for n in _REQUIRED.get(self.delivery or "", ()) if not getattr(self, n)]
        if missing:
            names = ", ".join(name.upper() for name in missing)
            msg = f"MAIL__DELIVERY={self.delivery} also needs, with the same prefix: {names}"
            raise ValueError(msg)
        if bool(self.smtp_username) != bool(self.smtp_password):
            msg = "set both SMTP_USERNAME and SMTP_PASSWORD, or neither"
            raise ValueError(msg)
        if self.delivery == "smtp" and self.smtp_tls == "none":
            if not (self.smtp_local_relay or self.smtp_host in _LOOPBACK):
                msg = "SMTP_TLS=none needs SMTP_LOCAL_RELAY=true for a server that is not this machine"
                raise ValueError(msg)
            if self.smtp_username:
                msg = "SMTP_TLS=none would send the password in the clear: use starttls or implicit"
                raise ValueError(msg)
        return self

    def insecure(self) -> Iterator[tuple[str, bool, str, str]]:
        """Yield (variable without prefix, whether it is insecure, the problem, the fix)."""
        yield (
            "MAIL__DELIVERY",
            self.delivery == "console",
            "messages, with all that is in them, go to the console instead of their recipients",
            "Set it to smtp, ses or sendgrid, or unset it when the service sends no mail.",
        )
        yield (
            "MAIL__RECORDS_PATH",
            bool(self.delivery and not self.records_url) and not self.records_path.startswith("/"),
            "which messages were sent would be kept in whatever folder a process starts in",
            "Write an absolute path on a disk that workers share, or set MAIL__RECORDS_URL.",
        )
        hook = self.admin_webhook_url
        yield (
            "MAIL__ADMIN_WEBHOOK_URL",
            hook is not None and not hook.get_secret_value().startswith("https://"),
            "what admins are told is not encrypted",
            "Use the https:// form.",
        )
