"""The project's own settings: add a field, and it is read from the environment and documented."""

from .core.config import PlatformSettings


class Settings(PlatformSettings):
    """Settings of this service, on top of the platform's."""

    app_name: str = "{{ cookiecutter.project_name }}"
