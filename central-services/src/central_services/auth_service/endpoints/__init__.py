"""The HTTP face of the auth service."""

from .admin import router as admin
from .discovery import router as discovery
from .oauth import router as oauth
from .pages import router as pages

ROUTERS = (discovery, oauth, pages, admin)

__all__ = ["ROUTERS"]
