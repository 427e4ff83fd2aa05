"""The application: add routers, lifespans and checks here."""

from fastapi import FastAPI

from .core.app import build_app
from .settings import Settings


def create_app() -> FastAPI:
    """Return a new application; tests make one each."""
    return build_app(Settings())


app = create_app()
