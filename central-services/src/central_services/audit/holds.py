# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Legal holds: what is under one is neither erased nor dropped.

A hold is placed and released by recording it, and those events are kept for ever: the holds in force
are what the trail says, so nobody can lift one without leaving a trace.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PLACED = "audit.hold.placed"
RELEASED = "audit.hold.released"


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold.

    Attributes:
        name: Its name, such as the number of the case.
        key: The id of the key of the subject it is about; empty for everything.
        since: When it was placed (RFC 3339, UTC).
        until: When it was released; empty while it is in force.
    """

    name: str
    key: str
    since: str
    until: str = ""


class HoldLedger:
    """The holds, as the events of the trail tell of them one by one."""

    def __init__(self) -> None:
        self._holds: dict[str, Hold] = {}

    def apply(self, fields: dict[str, Any]) -> None:
        """Take an event into account; any other than of a hold changes nothing."""
        if fields["action"] == PLACED:
            name, key = fields["data"]["hold"], fields["data"].get("key") or ""
            self._holds[name] = Hold(name, key, fields["time"])
        elif fields["action"] == RELEASED:
            hold = self._holds.get(fields["data"]["hold"])
            if hold is not None:
                self._holds[hold.name] = Hold(hold.name, hold.key, hold.since, fields["time"])

    def in_force(self) -> list[Hold]:
        """Return the holds that are in force, by name."""
        return [hold for _, hold in sorted(self._holds.items()) if not hold.until]

    def find(self, name: str) -> Hold | None:
        """Return a hold that is in force, or None."""
        hold = self._holds.get(name)
        return hold if hold is not None and not hold.until else None

    def protects(self, keys: set[str]) -> str:
        """Return the name of a hold on any of these subject keys, or an empty string."""
        return next((h.name for h in self.in_force() if not h.key or h.key in keys), "")
