# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Puts scheduled tasks together from the settings; workers, commands and the page open them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from ..clients.http import HttpClient
# jinja: if cookiecutter.include_database
from ..core.database import Database
# jinja: endif
from ..jobs.client import JobClient
from ..jobs.connecting import make_store
from ..mail.composition import open_admins, open_mail
from .checks import CheckContext, load_checks
# jinja: if not cookiecutter.include_database
from .files import FilePresets
# jinja: endif
from .notifiers import (
    EmailNotifier,
    LogNotifier,
    Notifier,
    SlackNotifier,
    TeamsNotifier,
    WebhookNotifier,
)
from .presets import PresetsManager
# jinja: if cookiecutter.include_database
from .repository import DatabasePresets
# jinja: endif
from .service import MonitoringService
from .store import PresetsStore

if TYPE_CHECKING:
    from ..core.config import PlatformSettings
    from ..core.monitoring_settings import MonitoringSettings
    from ..mail import EmailService


@asynccontextmanager
async def open_presets(settings: PlatformSettings) -> AsyncGenerator[PresetsManager]:
    """Yield the tasks, for whoever only reads and writes them."""
    async with _opened(settings) as opened:
        yield _presets(settings, opened)


@asynccontextmanager
async def open_monitoring(settings: PlatformSettings) -> AsyncGenerator[MonitoringService]:
    """Yield the service; nothing is connected before it is used."""
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(_opened(settings))
        http = await stack.enter_async_context(HttpClient(settings.http_client, name="monitoring"))
        mail = await stack.enter_async_context(open_mail(settings))
        admins = await stack.enter_async_context(open_admins(settings))
        yield MonitoringService(
            _presets(settings, opened),
            load_checks(),
            CheckContext(settings=settings, http=http, resources=opened),
            _notifiers(settings.monitoring, http, mail),
            admins,
            settings.monitoring,
            app_name=settings.app_name,
        )


@asynccontextmanager
async def _opened(settings: PlatformSettings) -> AsyncGenerator[dict[type[Any], object]]:
    """Open what keeps tasks, and what checks look at; each connects when it is used."""
    async with AsyncExitStack() as stack:
        jobs = JobClient(settings.jobs, lambda: make_store(settings.jobs))
        stack.push_async_callback(jobs.aclose)
        opened: dict[type[Any], object] = {JobClient: jobs}
        # jinja: if cookiecutter.include_database
        database = Database(settings.database)
        stack.push_async_callback(database.aclose)
        opened[Database] = database
        # jinja: endif
        yield opened


def _presets(settings: PlatformSettings, opened: Mapping[type[Any], object]) -> PresetsManager:
    """Return the tasks, from the database where there is one, or else from a file."""
    own = settings.monitoring
    # jinja: if cookiecutter.include_database
    database = opened[Database]
    assert isinstance(database, Database)  # noqa: S101  # for the type checker
    store: PresetsStore = DatabasePresets(database, runs_kept=own.history_runs)
    # jinja: endif
    # jinja: if not cookiecutter.include_database
    del opened
    store: PresetsStore = FilePresets(own.presets_path, runs_kept=own.history_runs)
    # jinja: endif
    return PresetsManager(store, load_checks(), own)


def _notifiers(
    settings: MonitoringSettings, http: HttpClient, mail: EmailService
) -> list[Notifier]:
    """Return the channels that are set up."""
    found: list[Notifier] = [LogNotifier(), EmailNotifier(mail)]
    if settings.slack_webhook_url:
        found.append(SlackNotifier(http, settings.slack_webhook_url.get_secret_value()))
    if settings.teams_webhook_url:
        found.append(TeamsNotifier(http, settings.teams_webhook_url.get_secret_value()))
    if settings.webhook_url:
        secret = settings.webhook_secret.get_secret_value() if settings.webhook_secret else ""
        found.append(WebhookNotifier(http, settings.webhook_url.get_secret_value(), secret))
    return found
