# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Settings of the audit trail."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr

from .sections import CommaList, Section

RetentionClass = Literal["short", "standard", "long"]
RETENTION_DAYS: dict[RetentionClass, int] = {"short": 90, "standard": 400, "long": 2557}


def _with_usual_days(value: object) -> object:
    """Let the environment name only the classes that differ."""
    return {**RETENTION_DAYS, **value} if isinstance(value, dict) else value


class AuditSettings(Section):
    """The audit trail: where it is kept, with which keys and for how long."""

    path: Path = Field(
        default=Path("data/audit"),
        description="Folder of the trail, on a disk that outlives the service; absolute in production.",
    )
    origin: str = Field(
        default="central-services/audit",
        pattern=r"^[A-Za-z0-9._/-]+$",
        description="Name of the log, in every checkpoint; one log, one name, for ever.",
    )
    replica: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9._-]*$",
        description="Name of this replica when each keeps a trail: part of its log's name and key.",
    )
    signing_key: SecretStr | None = Field(
        default=None,
        description="Signs checkpoints; `audit keygen` makes one. Required in production.",
    )
    master_key: SecretStr | None = Field(
        default=None,
        description="Wraps the keys of people's data; made with it. Required in production.",
    )
    trusted_keys: CommaList = Field(
        default=(), description="Verification keys the log had before, so old checkpoints hold."
    )
    seal_interval_s: float = Field(
        default=0.5, gt=0, le=1, description="Seconds between two checkpoints; at most 1."
    )
    max_batch: int = Field(
        default=256, ge=1, description="Events that share one transaction at most."
    )
    max_pending: int = Field(
        default=10_000, ge=1, description="Events that may wait for the disk; more get 503."
    )
    retention_days: Annotated[
        dict[RetentionClass, Annotated[int, Field(ge=1)]], BeforeValidator(_with_usual_days)
    ] = Field(
        default=RETENTION_DAYS,
        description="Days that the events of each retention class are kept, as JSON.",
    )

    @property
    def log_name(self) -> str:
        """The name of this process's log."""
        return f"{self.origin}/{self.replica}" if self.replica else self.origin

    def insecure(self) -> Iterator[tuple[str, bool, str, str]]:
        """Yield rules for production, as `PlatformSettings` does."""
        yield (
            "AUDIT__SIGNING_KEY",
            self.signing_key is None or self.master_key is None,
            "the audit trail's keys would lie beside the trail",
            "Set it and AUDIT__MASTER_KEY from a secret store; `audit keygen` makes both.",
        )
        yield (
            "AUDIT__PATH",
            not self.path.is_absolute(),
            "the audit trail would be lost with the container's folder",
            "Set an absolute path on a disk that is kept and backed up.",
        )
