# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Scheduled tasks: what is looked at, when, and who is told."""

from ..mail import EmailService
from .checks import CheckContext, CheckParameters, CheckResult, check
from .presets import PresetsManager
from .schemas import MonitoringTask
from .service import MonitoringService

__all__ = [
    "CheckContext",
    "CheckParameters",
    "CheckResult",
    "EmailService",
    "MonitoringService",
    "MonitoringTask",
    "PresetsManager",
    "check",
]
