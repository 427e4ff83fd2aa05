# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Which checks there are: the platform's, and the project's."""

from __future__ import annotations

import importlib

from .base import PROJECT_CHECKS, CheckRegistry
from .certificate import CertificateCheck
from .endpoint import EndpointCheck
from .resources import DiskCheck, QueueCheck
# jinja: if cookiecutter.include_database
from .sql import SqlCheck
# jinja: endif
from .stock import StockCheck

_PROJECT = "checks"


def load_checks() -> CheckRegistry:
    """Return every check; importing the project's own registers them."""
    registry = CheckRegistry()
    for known in (CertificateCheck, DiskCheck, EndpointCheck, QueueCheck, StockCheck):
        registry.add(known())
    # jinja: if cookiecutter.include_database
    registry.add(SqlCheck())
    # jinja: endif
    package = (__package__ or "").partition(".")[0]
    try:
        importlib.import_module(f"{package}.{_PROJECT}")
    except ModuleNotFoundError as error:
        if error.name != f"{package}.{_PROJECT}":  # it may be deleted; what it imports may not
            raise
    for own in PROJECT_CHECKS:
        registry.add(own)
    return registry
