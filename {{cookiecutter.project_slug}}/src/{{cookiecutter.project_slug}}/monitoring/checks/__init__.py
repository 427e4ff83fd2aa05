# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Checks: what scheduled tasks can look at. A project's own are in `checks.py` beside `main.py`."""

from .base import CheckContext, CheckParameters, CheckRegistry, CheckResult, check
from .catalogue import load_checks

__all__ = [
    "CheckContext",
    "CheckParameters",
    "CheckRegistry",
    "CheckResult",
    "check",
    "load_checks",
]
