"""The project's own settings: add a field, and it is read from the environment and documented."""

from typing import ClassVar

from .core.config import PlatformSettings
from .kit.engines.settings import EnginesSettings


class Settings(PlatformSettings):
    """Settings of this service, on top of the platform's."""

    app_name: ClassVar[str] = "Central Services"  # fmt: skip

    engines: EnginesSettings = EnginesSettings.model_construct()
