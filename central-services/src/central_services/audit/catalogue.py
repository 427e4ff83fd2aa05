# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The actions that the platform's own parts record."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel

from .actions import ACTIONS, Action, NoData, OcsfClass
from .events import DataClass, Retention, Sensitivity
from .holds import PLACED, RELEASED
from .retention import RECORDS_DROPPED

_SECURITY = DataClass.SECURITY


class Refusal(BaseModel, extra="forbid"):
    """A request that was refused."""

    method: str
    route: str
    status: int
    problem: str = ""


class ConfigurationState(BaseModel, extra="forbid"):
    """Settings by variable; the values of secrets are masked before they come here."""

    settings: dict[str, str]


class Version(BaseModel, extra="forbid"):
    """Which build of the service."""

    version: str


class HoldData(BaseModel, extra="forbid"):
    """A legal hold; without a key it is on everything."""

    hold: str
    key: str | None = None


class ErasureData(BaseModel, extra="forbid"):
    """The id that an erased key had; it leads to nobody."""

    key: str


class DropData(BaseModel, extra="forbid"):
    """What a run of the retention did."""

    dropped: int
    held: int


class AccessData(BaseModel, extra="forbid"):
    """A look at sensitive fields of the trail."""

    command: str
    level: Sensitivity
    query: Annotated[str, Sensitivity.CONFIDENTIAL] = ""


DENIED = ACTIONS.register(
    Action(
        "access.denied",
        "A caller was not allowed to do what they asked for",
        Refusal,
        data_class=_SECURITY,
        ocsf=OcsfClass(6003, 99),
        controls=("PCI DSS 10.2.1.4", "SOC 2 CC7.2", "ISO 27001 A.8.15 b"),
    )
)
LOGIN_FAILED = ACTIONS.register(
    Action(
        "auth.login_failed",
        "A caller did not prove who they are",
        Refusal,
        data_class=_SECURITY,
        ocsf=OcsfClass(3002, 1),
        controls=("PCI DSS 10.2.1.4", "SOC 2 CC7.2", "ISO 27001 A.8.15 b"),
    )
)
CONFIGURATION_CHANGED = ACTIONS.register(
    Action(
        "configuration.changed",
        "The service started with other settings than the last time",
        NoData,
        ConfigurationState,
        data_class=_SECURITY,
        retention=Retention.LONG,
        ocsf=OcsfClass(6003, 3),
        controls=("PCI DSS 10.2.1.2", "SOC 2 CC7.1", "ISO 27001 A.8.15 d"),
    )
)
STARTED = ACTIONS.register(
    Action(
        "audit.started",
        "The service began to record",
        Version,
        data_class=_SECURITY,
        ocsf=OcsfClass(6003, 1),
        controls=("PCI DSS 10.2.1.6", "ISO 27001 A.8.15 e"),
    )
)
STOPPED = ACTIONS.register(
    Action(
        "audit.stopped",
        "The service ceased to record",
        Version,
        data_class=_SECURITY,
        ocsf=OcsfClass(6003, 4),
        controls=("PCI DSS 10.2.1.6", "ISO 27001 A.8.15 e"),
    )
)
ACCESSED = ACTIONS.register(
    Action(
        "audit.accessed",
        "Somebody read sensitive fields of the trail",
        AccessData,
        data_class=_SECURITY,
        retention=Retention.LONG,
        ocsf=OcsfClass(6003, 2),
        controls=("PCI DSS 10.2.1.3", "SOC 2 CC7.2", "ISO 27001 A.8.15 f"),
    )
)
ERASED = ACTIONS.register(
    Action(
        "audit.subject_erased",
        "The key of a subject was destroyed",
        ErasureData,
        data_class=DataClass.PERSONAL,
        retention=Retention.PERMANENT,
        ocsf=OcsfClass(6003, 4),
        controls=("PCI DSS 10.3.4", "ISO 27001 A.8.15 g"),
    )
)
DROPPED = ACTIONS.register(
    Action(
        RECORDS_DROPPED,
        "Records were dropped at the end of their retention",
        DropData,
        data_class=_SECURITY,
        retention=Retention.PERMANENT,
        ocsf=OcsfClass(6003, 4),
        controls=("PCI DSS 10.5.1", "ISO 27001 A.8.15 g"),
    )
)
HOLD_PLACED = ACTIONS.register(
    Action(
        PLACED,
        "A legal hold was placed",
        HoldData,
        data_class=_SECURITY,
        retention=Retention.PERMANENT,
        ocsf=OcsfClass(6003, 1),
        controls=("PCI DSS 10.5.1", "ISO 27001 A.8.15 g"),
    )
)
HOLD_RELEASED = ACTIONS.register(
    Action(
        RELEASED,
        "A legal hold was released",
        HoldData,
        data_class=_SECURITY,
        retention=Retention.PERMANENT,
        ocsf=OcsfClass(6003, 4),
        controls=("PCI DSS 10.5.1", "ISO 27001 A.8.15 g"),
    )
)
