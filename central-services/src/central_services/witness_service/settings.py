"""Settings of the witness."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field, SecretStr

from ..core.sections import CommaList, Section


class WitnessSettings(Section):
    """Which logs the witness watches, and the key that it cosigns with."""

    name: str = Field(
        default="central-services/witness",
        pattern=r"^[A-Za-z0-9._/-]+$",
        description="Name of the witness's key, as a URL without a scheme; one key, one name.",
    )
    key: SecretStr | None = Field(
        default=None,
        description="32 bytes in base64url that cosign; `witness keygen` makes one.",
    )
    development_key_file: Path = Field(
        default=Path("data/witness.key"),
        description="Where that key is made and kept when none is set; not in production.",
    )
    log_keys: CommaList = Field(
        default=(), description="Verification keys of the logs that it watches."
    )
    log_lists: CommaList = Field(
        default=(),
        description="Addresses of audit services: a log of theirs is watched from its first"
        " checkpoint on, with the key that it then has.",
    )

    def insecure(self) -> Iterator[tuple[str, bool, str, str]]:
        """Yield rules for production, as `PlatformSettings` does."""
        yield (
            "WITNESS__KEY",
            self.key is None,
            "cosignatures would be made with a key that lies beside the database",
            "Set it to what `central-services witness keygen` prints.",
        )
