"""The project's own settings: add a field, and it is read from the environment and documented."""

from typing import ClassVar

from .audit_service.settings import AuditServiceSettings
from .auth_service.settings import AuthSettings
from .core.config import PlatformSettings
from .kit.engines.settings import EnginesSettings
from .witness_service.settings import WitnessSettings


class Settings(PlatformSettings):
    """Settings of this service, on top of the platform's."""

    app_name: ClassVar[str] = "Central Services"  # fmt: skip

    auth: AuthSettings = AuthSettings.model_construct()
    audit_service: AuditServiceSettings = AuditServiceSettings.model_construct()
    witness: WitnessSettings = WitnessSettings.model_construct()
    engines: EnginesSettings = EnginesSettings.model_construct()
