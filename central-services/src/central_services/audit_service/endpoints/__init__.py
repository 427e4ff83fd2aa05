"""The HTTP face of the audit service."""

from .admin import router as admin
from .events import router as events
from .log import router as log
from .pages import router as pages

ROUTERS = (events, log, admin, pages)

__all__ = ["ROUTERS"]
