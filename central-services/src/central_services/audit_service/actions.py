"""What administrators of the audit service do, for the service's own trail."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel

from ..audit import ACTIONS, Action, DataClass, OcsfClass, Retention, Sensitivity


class _Data(BaseModel, extra="forbid"):
    """Base of the events' data."""

    tenant: str


class SearchData(_Data):
    """What somebody looked for."""

    query: Annotated[str, Sensitivity.CONFIDENTIAL] = ""


class KeyData(_Data):
    """Whose key: its id, which leads to nobody once it is erased."""

    key: str


class HoldData(_Data):
    """A hold and what it covers."""

    hold: str
    key: str = ""


class SchemaData(_Data):
    """A version of a schema, or the switch of those without one."""

    action: str = ""
    version: int = 0
    strict: bool = False


class DropData(_Data):
    """How many events lost their content."""

    dropped: int
    held: int


_CONTROLS = ("PCI DSS 10.2.1.3", "SOC 2 CC7.2", "ISO 27001 A.8.15 f")


def _action(name: str, title: str, schema: type[BaseModel], activity: int) -> Action:
    return ACTIONS.register(
        Action(
            name,
            title,
            schema,
            data_class=DataClass.SECURITY,
            retention=Retention.LONG,
            ocsf=OcsfClass(6003, activity),
            controls=_CONTROLS,
        )
    )


SEARCHED = _action("events.searched", "Somebody read events", SearchData, 2)
EXPORTED = _action("events.exported", "Somebody exported events", SearchData, 2)
SHREDDED = _action("events.shredded", "The key of a person was destroyed", KeyData, 4)
HOLD_PLACED = _action("events.hold_placed", "A legal hold was placed", HoldData, 1)
HOLD_RELEASED = _action("events.hold_released", "A legal hold was released", HoldData, 4)
DROPPED = _action("events.dropped", "Contents were dropped at their end", DropData, 4)
SCHEMA_STORED = _action("schemas.stored", "A schema of an action was stored", SchemaData, 1)
POLICY_SET = _action(
    "schemas.policy_set", "Actions without schema are refused, or not", SchemaData, 3
)
