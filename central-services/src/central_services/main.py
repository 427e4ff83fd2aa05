"""The application that `central-services serve` runs: the service that the setting SERVICE names.

So every command, image and manifest of the platform works for each service. Without the setting it
is the platform's part alone: health, metrics and problem documents.
"""

from fastapi import FastAPI

from .core.app import build_app
from .kit.services import choose
from .services import SERVICES
from .settings import Settings


def create_app() -> FastAPI:
    """Return a new application; tests make one each."""
    settings = Settings()
    for service in choose(SERVICES, [settings.service] if settings.service else []):
        return service.build(settings)
    return build_app(settings)


app = create_app()
