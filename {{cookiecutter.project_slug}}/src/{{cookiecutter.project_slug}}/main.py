"""The application: add routers, lifespans and checks here."""

from .core.app import build_app
from .orders import router as orders
from .settings import Settings

app = build_app(Settings(), routers=[orders])
