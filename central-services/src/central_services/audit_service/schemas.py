"""What goes over the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
# As in a CloudEvents attribute: no control characters.
Id = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AcceptedEvent(_Model):
    """That an event is stored."""

    id: str
    seq: int | None = Field(description="Its index in the tenant's log; null until it is sealed.")
    duplicate: bool = Field(description="Whether it was stored before.")


class Accepted(_Model):
    """What became of each event, in the order sent."""

    accepted: list[AcceptedEvent]


class ReceiptsWanted(_Model):
    """The events whose receipts are asked for."""

    ids: list[Id] = Field(min_length=1, max_length=500)
    source: Id | None = Field(default=None, description="Whose; by default of any source.")


class Receipts(_Model):
    """Receipts, each a c2sp.org/tlog-proof@v1."""

    receipts: dict[str, str]
    pending: list[str] = Field(description="Stored, and not yet signed for: ask again in a second.")
    unknown: list[str] = Field(description="Not stored, or somebody else's.")


class LogKeys(_Model):
    """The keys that signatures verify with (c2sp.org/signed-note)."""

    keys: list[str] = Field(description="Of the logs.")
    witnesses: list[str] = Field(description="Of the witnesses that cosign.")


class StoredEvent(_Model):
    """An event as it is stored."""

    seq: int | None
    source: str
    id: str
    time: datetime
    received_at: datetime
    action: str
    outcome: str
    commitment: str = Field(description="The entry of the log, hexadecimal.")
    erased: bool = Field(
        description="Whether its content is gone: shredded, or past its retention."
    )
    event: dict[str, Any] | None = Field(description="The event as it was sent.")


class EventPage(_Model):
    """Some events, the latest first."""

    items: list[StoredEvent]
    next: str | None = Field(description="The cursor of the next page; null on the last one.")


class ShredOrder(_Model):
    """Whose data becomes unreadable."""

    subject: Id = Field(description="The id of a person, as events name it.")
    reason: str = Field(default="", max_length=500)


class Shredded(_Model):
    """That a person's key is gone."""

    key: str = Field(description="The id that the key had.")
    events: int = Field(description="How many events lost their content with it.")


class HoldOrder(_Model):
    """A legal hold to place."""

    name: Name
    subject: Id | None = Field(default=None, description="A person; by default everything.")
    reason: str = Field(default="", max_length=500)


class Hold(_Model):
    """A legal hold in force."""

    name: str
    key: str = Field(description="The id of the person's key; empty for everything.")
    placed_at: datetime
    placed_by: str


class Holds(_Model):
    """The holds in force, by name."""

    items: list[Hold]
