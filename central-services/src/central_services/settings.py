"""The project's own settings: add a field, and it is read from the environment and documented."""

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field, field_validator

from .audit_service.settings import AuditServiceSettings
from .auth_service.settings import AuthSettings
from .core.config import ENV_PREFIX, InsecureSetting, PlatformSettings
from .kit.engines.settings import EnginesSettings
from .kit.services import UnknownServiceError, choose
from .kit.telemetry.settings import TelemetrySettings
from .services import SERVICES
from .witness_service.settings import WitnessSettings


class Settings(PlatformSettings):
    """Settings of this service, on top of the platform's."""

    app_name: ClassVar[str] = "Central Services"  # fmt: skip

    service: str = Field(
        default="",
        description="The service that `central-services serve` runs: one image, a role for each.",
    )
    auth: AuthSettings = AuthSettings.model_construct()
    audit_service: AuditServiceSettings = AuditServiceSettings.model_construct()
    witness: WitnessSettings = WitnessSettings.model_construct()
    engines: EnginesSettings = EnginesSettings.model_construct()
    telemetry: TelemetrySettings = TelemetrySettings.model_construct()

    @field_validator("service")
    @classmethod
    def _known(cls, name: str) -> str:
        """Refuse a name that stands for no single service."""
        if name == "all":
            raise ValueError("name one service; `central serve all` runs all in one process")
        try:
            choose(SERVICES, [name] if name else [])
        except UnknownServiceError as error:
            raise ValueError(str(error)) from None
        return name

    def insecure_settings(self) -> Iterator[InsecureSetting]:
        """Yield what must be changed; a process that runs one service needs no settings of others."""
        others = [s.package for s in SERVICES if self.service and s.name != self.service]
        foreign = tuple(
            f"{ENV_PREFIX}{name.upper()}__"
            for name in type(self).model_fields
            if type(getattr(self, name)).__module__.startswith(tuple(f"{o}." for o in others))
        )
        for one in (*super().insecure_settings(), *self._keys_of_one_host()):
            if not one.variable.startswith(foreign):
                yield one

    def _keys_of_one_host(self) -> Iterator[InsecureSetting]:
        """Refuse replicas that share a database, and not the keys of what is in it."""
        is_server = self.database.url.get_secret_value().startswith("postgresql")
        if is_server and self.audit_service.keys_url is None:
            yield InsecureSetting(
                f"{ENV_PREFIX}AUDIT_SERVICE__KEYS_URL",
                "each replica would have keys of its own: no other could read what it stored, or shred it",
                "Set it to a PostgreSQL database that is not in the backups of the other one.",
            )
