"""The HTTP face of the audit service."""

from .admin import router as admin
from .events import router as events
from .ledger import router as ledger
from .log import router as log
from .pages import router as pages
from .schemas import router as schemas

ROUTERS = (events, log, admin, ledger, schemas, pages)

__all__ = ["ROUTERS"]
