# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Puts scheduled tasks together from the settings; workers, commands and the page open them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from ..clients.http import HttpClient
# jinja: if cookiecutter.include_database
from ..core.database import Database
# jinja: endif
from ..jobs.client import JobClient
from ..jobs.stores.connecting import make_store
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

if TYPE_CHECKING:
    from ..core.config import PlatformSettings
    from ..core.monitoring_settings import MonitoringSettings
    from ..mail import EmailService


@asynccontextmanager
async def open_presets(settings: PlatformSettings) -> AsyncGenerator[PresetsManager]:
    """Yield the tasks, for whoever only reads and writes them."""
    async with AsyncExitStack() as stack:
        yield _presets(settings, stack, {})


@asynccontextmanager
async def open_monitoring(settings: PlatformSettings) -> AsyncGenerator[MonitoringService]:
    """Yield the service; nothing is connected before it is used."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(HttpClient(settings.http_client, name="monitoring"))
        mail = await stack.enter_async_context(open_mail(settings))
        admins = await stack.enter_async_context(open_admins(settings))
        jobs = JobClient(settings.jobs, lambda: make_store(settings.jobs))
        stack.push_async_callback(jobs.aclose)
        resources: dict[type[Any], object] = {JobClient: jobs}
        presets = _presets(settings, stack, resources)
        yield MonitoringService(
            presets,
            load_checks(),
            CheckContext(settings=settings, http=http, resources=resources),
            _notifiers(settings.monitoring, http, mail),
            admins,
            settings.monitoring,
            app_name=settings.app_name,
        )


def _presets(
    settings: PlatformSettings, stack: AsyncExitStack, resources: dict[type[Any], object]
) -> PresetsManager:
    own = settings.monitoring
    # jinja: if cookiecutter.include_database
    database = Database(settings.database)
    stack.push_async_callback(database.aclose)
    resources[Database] = database
    store = DatabasePresets(database, runs_kept=own.history_runs)
    # jinja: else
    store = FilePresets(own.presets_path, runs_kept=own.history_runs)
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
