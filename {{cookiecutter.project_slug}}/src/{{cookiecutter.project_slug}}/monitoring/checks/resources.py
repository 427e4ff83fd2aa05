# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Space on a disk, and work that waits in a queue."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from ...jobs.client import JobClient
from ...jobs.errors import JobsUnavailableError
from ..errors import PermanentCheckError, TransientCheckError
from .base import CheckContext, CheckParameters, CheckResult


class DiskParameters(CheckParameters):
    """Which disk, and how much of it must be free."""

    path: Path = Path()
    min_free_percent: float = Field(default=10.0, ge=0, le=100)


class DiskCheck:
    """Looks at the space of the disk that a path is on."""

    kind: ClassVar[str] = "disk_space"
    title: ClassVar[str] = "Disk space"
    parameters: ClassVar[type[DiskParameters]] = DiskParameters

    async def run(self, parameters: DiskParameters, context: CheckContext) -> CheckResult:
        """Ask the system."""
        del context
        try:
            usage = await asyncio.to_thread(shutil.disk_usage, parameters.path)
        except OSError as error:
            raise PermanentCheckError(f"{parameters.path}: {error.strerror}") from error
        percent = 100 * usage.free / usage.total
        ok = percent >= parameters.min_free_percent
        return CheckResult(
            ok=ok,
            summary=f"{percent:.1f} % of {usage.total / 1e9:.0f} GB are free",
            facts={"ok": ok},
        )


class QueueParameters(CheckParameters):
    """Which queue, and what may wait in it."""

    queue: str = Field(default="default", pattern=r"^[a-z0-9][a-z0-9_-]{0,47}$")
    max_ready: int = Field(default=1_000, ge=0, description="Jobs that may wait.")
    max_age_s: float = Field(default=600.0, ge=0, description="Seconds the oldest may wait.")
    max_failed: int = Field(default=0, ge=0, description="Dead letters that may lie there.")


class QueueCheck:
    """Looks at a queue of background jobs."""

    kind: ClassVar[str] = "queue_depth"
    title: ClassVar[str] = "Queue depth"
    parameters: ClassVar[type[QueueParameters]] = QueueParameters

    async def run(self, parameters: QueueParameters, context: CheckContext) -> CheckResult:
        """Ask the job store."""
        try:
            stats = await context.resource(JobClient).stats()
        except JobsUnavailableError as error:
            raise TransientCheckError(str(error)) from error
        found = next((s for s in stats if s.queue == parameters.queue), None)
        if found is None:
            return CheckResult(ok=True, summary="the queue is empty", facts={"problems": []})
        problems = []
        if found.ready > parameters.max_ready:
            problems.append(f"more than {parameters.max_ready} jobs wait")
        if found.oldest_s > parameters.max_age_s:
            problems.append(f"the oldest has waited more than {parameters.max_age_s:g} s")
        if found.failed > parameters.max_failed:
            problems.append(f"more than {parameters.max_failed} dead letters")
        now = f"{found.ready} waiting, {found.running} running, {found.failed} dead"
        return CheckResult(
            ok=not problems, summary="; ".join([*problems, now]), facts={"problems": [*problems]}
        )
