"""Settings of the engines: run here by `central up`, or elsewhere by their addresses."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from ...core.sections import Section
from ..services import EngineName


class EnginesSettings(Section):
    """The engines under the services. An address makes `central up` use it instead of starting one."""

    home: Path | None = Field(
        default=None,
        description="Folder of the engines that run here; by default the user's data folder.",
    )
    ports: Literal["usual", "free"] = Field(
        default="usual",
        description="Ports chosen at the first start: the usual ones where they are free, or any.",
    )
    postgresql: SecretStr | None = Field(
        default=None,
        description="PostgreSQL that runs elsewhere: postgresql://user:password@host/name.",
    )
    valkey: SecretStr | None = Field(
        default=None, description="Valkey that runs elsewhere: valkey://:password@host:6379/0."
    )
    nats: SecretStr | None = Field(
        default=None, description="NATS that runs elsewhere: nats://user:password@host:4222."
    )

    def elsewhere(self, name: EngineName) -> str | None:
        """Return the address of an engine that is not to be started here, or None."""
        address: SecretStr | None = getattr(self, name)
        return address.get_secret_value() if address else None
