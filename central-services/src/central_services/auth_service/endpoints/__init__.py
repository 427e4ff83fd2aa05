"""The HTTP face of the auth service."""

from .account_pages import router as account_pages
from .admin import router as admin
from .api_keys import router as api_keys
from .discovery import router as discovery
from .first_party import router as first_party
from .oauth import router as oauth
from .pages import router as pages
from .roles import router as roles
from .users import router as users

ROUTERS = (discovery, oauth, pages, account_pages, first_party, users, roles, api_keys, admin)

__all__ = ["ROUTERS"]
