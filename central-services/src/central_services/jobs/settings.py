# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Settings of jobs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr

from ..core.sections import CommaList, Section


class JobsSettings(Section):
    """Background jobs: where they are kept, and how workers treat them."""

    url: SecretStr | None = Field(
        default=None, description="Server that keeps jobs; empty for the embedded queue."
    )
    path: Path = Field(
        default=Path("data/jobs.db"),
        description="File of the embedded queue, on a local disk; absolute in production.",
    )
    queues: CommaList = Field(
        default=(),
        description="Queues that workers serve; by default those of all tasks.",
    )
    concurrency: int = Field(
        default=32, ge=1, le=10_000, description="Jobs that one worker runs at the same time."
    )
    lease_s: float = Field(
        default=15.0,
        ge=0.5,
        description="Seconds after which a job of a worker that died starts again.",
    )
    shutdown_timeout_s: float = Field(
        default=20.0,
        ge=0,
        description="Seconds that running jobs may finish in when a worker stops.",
    )
    rate_limits: dict[str, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict,
        description='Starts per second of a queue over all workers, as JSON: {"mail": 10}.',
    )
    embedded_worker: bool | None = Field(
        default=None,
        description="Run a worker inside the web process; by default in development only.",
    )
    retention_s: float = Field(
        default=86_400.0, ge=0, description="Seconds that a cancelled job's record is kept."
    )
    dead_retention_s: float = Field(
        default=2_592_000.0, ge=60, description="Seconds that a dead letter is kept."
    )
    max_payload_bytes: int = Field(
        default=262_144, ge=1, description="Largest arguments, and largest result, as JSON."
    )
    max_oldest_s: float = Field(
        default=300.0,
        gt=0,
        description="Seconds a job may wait before the readiness probe says degraded.",
    )
    max_depth: int = Field(
        default=10_000, ge=1, description="Waiting jobs above which it says so, too."
    )
    worker_health_port: int | None = Field(
        default=None,
        ge=0,
        le=65_535,
        description="Port on which a worker answers /health/live, /health/ready and /metrics.",
    )
    worker_health_file: Path | None = Field(
        default=None, description="File that a worker touches every second while it is healthy."
    )

    def insecure(self) -> Iterator[tuple[str, bool, str, str]]:
        """Yield rules for production, as `PlatformSettings` does."""
        yield (
            "JOBS__PATH",
            self.url is None and not self.path.is_absolute(),
            "jobs would be lost with the container's folder",
            "Set an absolute path on a disk that is kept, or JOBS__URL.",
        )
