# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Parts to put a monitoring service together from, without servers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from {{ cookiecutter.project_slug }}.clients.http import HttpClient
from {{ cookiecutter.project_slug }}.core.config import HttpClientSettings
from {{ cookiecutter.project_slug }}.core.monitoring_settings import (
    MonitoringSettings,
)
from {{ cookiecutter.project_slug }}.monitoring import (
    CheckContext,
    CheckParameters,
    CheckResult,
    MonitoringService,
    PresetsManager,
)
from {{ cookiecutter.project_slug }}.monitoring.checks import load_checks
from {{ cookiecutter.project_slug }}.monitoring.checks.base import (
    CheckRegistry,
    FunctionCheck,
)
from {{ cookiecutter.project_slug }}.monitoring.files import FilePresets
from {{ cookiecutter.project_slug }}.monitoring.notifiers import (
    LogNotifier,
    Notification,
)
from {{ cookiecutter.project_slug }}.monitoring.schemas import (
    MonitoringTask,
    Outcome,
    RunRecord,
)
from {{ cookiecutter.project_slug }}.settings import Settings


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 12, 0, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)


@dataclass
class RecordingNotifier:
    """Keeps what it is told; raises what it is given first."""

    name: str = "pager"
    told: list[Notification] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    calls: int = 0

    def applies(self, task: MonitoringTask) -> bool:
        return bool(task.id)

    async def notify(self, notification: Notification) -> None:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        self.told.append(notification)


@dataclass
class RecordingAdmins:
    """Tells of each outage once, as the mail service's does."""

    said: list[tuple[str, str]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    open: set[str] = field(default_factory=set)

    async def notify(self, key: str, subject: str, text: str) -> None:
        if key not in self.open:
            self.open.add(key)
            self.said.append(("outage", key))
            self.texts.append(f"{subject}: {text}")

    async def recovered(self, key: str, subject: str = "", text: str = "") -> None:
        if key in self.open:
            self.open.remove(key)
            self.said.append(("recovered", key))
            self.texts.append(f"{subject}: {text}")


class ScriptParameters(CheckParameters):
    """Nothing but a name."""

    label: str = ""


@dataclass
class Script:
    """A check that does what the test says, step by step; the last step goes on."""

    steps: list[CheckResult | Exception] = field(default_factory=list)
    runs: int = 0

    async def __call__(self, parameters: ScriptParameters, context: CheckContext) -> CheckResult:
        assert (parameters.label, context.settings.debug) == ("", False)
        self.runs += 1
        step = self.steps[0] if len(self.steps) == 1 else self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step


def found(value: object, *, ok: bool = True) -> CheckResult:
    """Return a result that says a value."""
    return CheckResult(ok=ok, summary=f"it is {value}", facts={"value": str(value)})


@dataclass
class Bench:
    """A service with parts that tests look at."""

    service: MonitoringService
    presets: PresetsManager
    script: Script
    pager: RecordingNotifier
    admins: RecordingAdmins
    clock: Clock

    async def add(self, **fields: Any) -> MonitoringTask:
        """Add a task that runs the script."""
        given = {"name": "Watch", "check": "script", "interval_s": 300} | fields
        return await self.presets.add(given)


@pytest.fixture
def own_settings(tmp_path: Path) -> MonitoringSettings:
    return MonitoringSettings(presets_path=tmp_path / "presets.json", backoff_s=0, ui_attempts=3)


@pytest.fixture
def registry(script: Script) -> CheckRegistry:
    checks = load_checks()
    checks.add(FunctionCheck("script", "Script", ScriptParameters, script))
    return checks


@pytest.fixture
def script() -> Script:
    return Script([found(1)])


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def presets(
    own_settings: MonitoringSettings, registry: CheckRegistry, clock: Clock
) -> PresetsManager:
    """Tasks in a file of this test."""
    store = FilePresets(own_settings.presets_path, runs_kept=own_settings.history_runs)
    return PresetsManager(store, registry, own_settings, clock=clock)


@pytest.fixture
async def context(settings: Settings, clock: Clock) -> AsyncIterator[CheckContext]:
    """What checks may use: an HTTP client that may call this machine."""
    http = HttpClientSettings(allowed_internal_hosts=("127.0.0.1",), max_retries=0)
    async with HttpClient(http) as client:
        yield CheckContext(settings=settings, http=client, clock=clock)


@pytest.fixture
async def inventory(context: CheckContext) -> AsyncIterator[CheckContext]:
    """What checks may use when `inventory.test` is the inventory of `inventory.py`."""
    from .inventory import app  # noqa: PLC0415  # few tests need it

    transport = httpx2.ASGITransport(app=app)
    async with HttpClient(HttpClientSettings(), transport=transport) as client:
        yield CheckContext(settings=context.settings, http=client, clock=context.clock)


@pytest.fixture
def make_bench(
    presets: PresetsManager,
    registry: CheckRegistry,
    context: CheckContext,
    own_settings: MonitoringSettings,
    script: Script,
    clock: Clock,
) -> Callable[..., Bench]:
    """A function that makes a bench; its keywords are settings that differ."""

    def make(**changes: Any) -> Bench:
        pager, admins = RecordingNotifier(), RecordingAdmins()
        service = MonitoringService(
            presets,
            registry,
            context,
            [LogNotifier(), pager],
            admins,
            own_settings.model_copy(update=changes),
            app_name="Acme",
            clock=clock,
        )
        return Bench(service, presets, script, pager, admins, clock)

    return make


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench()


@pytest.fixture
def make_run(clock: Clock) -> Callable[[str, int], RunRecord]:
    """A function that makes the record of a run."""

    def make(task_id: str, number: int) -> RunRecord:
        return RunRecord(
            task_id=task_id,
            run_id=f"run-{number}",
            started=clock.now,
            outcome=Outcome.OK,
            summary="x" * 100,
        )

    return make
