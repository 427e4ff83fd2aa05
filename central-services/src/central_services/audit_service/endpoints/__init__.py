"""The HTTP face of the audit service."""

from .admin import router as admin
from .events import router as events
from .log import router as log

ROUTERS = (events, log, admin)

__all__ = ["ROUTERS"]
