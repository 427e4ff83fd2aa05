"""Settings of the audit service; those of its own trail, as every project has one, are `AUDIT__...`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, field_validator

from ..core.audit_settings import RETENTION_DAYS, AuditSettings, RetentionClass
from ..core.sections import BaseUrl, CommaList, Section
from .ledger.schemas import Currency


def _with_usual_days(value: object) -> object:
    """Let the environment name only the classes that differ."""
    return {**RETENTION_DAYS, **value} if isinstance(value, dict) else value


class AuditServiceSettings(Section):
    """Where it is, and how the logs of its tenants are kept; whose tokens it takes is `CENTRAL_AUTH__...`."""

    url: BaseUrl = Field(
        default="http://127.0.0.1:8102",
        description="The service's public URL; tokens have to be meant for it.",
    )
    audience: str | None = Field(
        default=None, description="Audience that tokens have to name; by default the URL."
    )
    client_id: str = Field(
        default="audit-pages",
        description="The public client of the auth service that people sign in to the pages with.",
    )
    session_s: int = Field(
        default=3_600, ge=60, description="Seconds that a login to the pages lives."
    )
    path: Path = Field(
        default=Path("data/audit-service"),
        description="Folder of the keys of people's data, for one host; absolute in production, not in the"
        " backups of the database.",
    )
    keys_url: SecretStr | None = Field(
        default=None,
        description="PostgreSQL of the keys of people's data, which all replicas share:"
        " postgresql://user:password@host:5432/name, not in the backups of the other one.",
    )
    origin: str = Field(
        default="central-services/events",
        pattern=r"^[A-Za-z0-9._/-]+$",
        max_length=150,
        description="What the name of every tenant's log begins with; one deployment, one name.",
    )
    signing_key: SecretStr | None = Field(
        default=None,
        description="Signs checkpoints; `audit-service keygen` makes one. Required in production.",
    )
    master_key: SecretStr | None = Field(
        default=None,
        description="Wraps the keys of people's data; made with it. Required in production.",
    )
    seal_interval_s: float = Field(
        default=0.25, gt=0, le=1, description="Seconds between two checkpoints of a log."
    )
    witnesses: CommaList = Field(
        default=(),
        description="Addresses of witnesses; a receipt waits until one has cosigned.",
    )
    witness_keys: CommaList = Field(
        default=(),
        description="Their verification keys; without any, what a witness itself says at start-up.",
    )
    max_event_bytes: int = Field(
        default=65_536, ge=1_024, le=1_048_576, description="Largest event, as canonical JSON."
    )
    max_pending: int = Field(
        default=1_000, ge=1, description="Batches that may wait for the disk; more get 503."
    )
    four_eyes_above: dict[Currency, Annotated[int, Field(ge=0)]] = Field(
        default={},
        description="Transfers above this many minor units need a second person, by currency, as JSON.",
    )
    four_eyes_s: int = Field(
        default=259_200, ge=60, description="Seconds in which the second person can approve."
    )
    retention_days: Annotated[
        dict[RetentionClass, Annotated[int, Field(ge=1)]], BeforeValidator(_with_usual_days)
    ] = Field(
        default=RETENTION_DAYS,
        description="Days that the events of each retention class are kept, as JSON.",
    )

    @field_validator("keys_url")
    @classmethod
    def _is_postgresql(cls, url: SecretStr | None) -> SecretStr | None:
        """Refuse what is no address of PostgreSQL."""
        if url is not None and urlsplit(url.get_secret_value()).scheme != "postgresql":
            raise ValueError("write postgresql://user:password@host:5432/name")
        return url

    @property
    def wanted_audience(self) -> str:
        """The audience of a token that is meant for this service."""
        return self.audience or self.url

    @property
    def key_settings(self) -> AuditSettings:
        """Where the keys are, as the platform's own trail is told."""
        return AuditSettings(
            path=self.path,
            origin=self.origin,
            signing_key=self.signing_key,
            master_key=self.master_key,
        )

    def insecure(self) -> Iterator[tuple[str, bool, str, str]]:
        """Yield rules for production, as `PlatformSettings` does."""
        yield (
            "AUDIT_SERVICE__URL",
            not self.url.startswith("https://"),
            "events and tokens would travel unencrypted",
            "Set it to the public https:// URL of this service.",
        )
        yield (
            "AUDIT_SERVICE__SIGNING_KEY",
            self.signing_key is None or self.master_key is None,
            "the keys of the logs would lie beside them",
            "Set it and AUDIT_SERVICE__MASTER_KEY to what `audit-service keygen` prints.",
        )
        yield (
            "AUDIT_SERVICE__PATH",
            self.keys_url is None and not self.path.is_absolute(),
            "the keys of people's data would be lost with the container's folder",
            "Set an absolute path on a disk that is kept, or AUDIT_SERVICE__KEYS_URL.",
        )
        yield (
            "AUDIT_SERVICE__WITNESS_KEYS",
            bool(self.witnesses) and not self.witness_keys,
            "whoever answers at the address of a witness would be believed",
            "List the verification keys of the witnesses.",
        )
