# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""A worker that can't start because of how it is configured tells the admins; the next that can, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..mail.composition import open_admins
from .definition import TASKS

if TYPE_CHECKING:
    from ..core.config import PlatformSettings

_OUTAGE = "worker-configuration"


def configuration_problem(settings: PlatformSettings) -> str:
    """Return why no worker can start with these settings and tasks; empty when one can."""
    try:
        settings.require_secure()
        TASKS.check()
    except (ValueError, NameError, TypeError) as error:
        return str(error)
    return ""


async def tell_admins(settings: PlatformSettings, problem: str) -> None:
    """Tell the admins once that workers don't start, and when there is no problem, that they do again.

    Args:
        settings: The service's settings; where its mail is not set up either, the log has it.
        problem: As `configuration_problem` returns it.
    """
    async with open_admins(settings) as admins:
        if problem:
            await admins.notify(_OUTAGE, "Workers can't start", problem)
        else:
            await admins.recovered(_OUTAGE, "Workers start again")
