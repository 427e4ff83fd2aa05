"""What the ledger writes into the tenant's log: one event for each thing that happens to money.

An event holds all of a transfer, who asked for it and who allowed it; balances can be computed from
the events alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from ..events import RESERVED, Event, read_event
from .book import Account, Transfer
from .results import AccountFlag, TransferFlag

SOURCE = RESERVED
"""The source of the ledger's events, which nobody else may send."""

Kind = Literal["account", "transfer", "expiry", "proposal", "decision"]
_LARGEST = 2**31
_ACTIVITIES = {"created": 1, "expired": 3, "proposed": 1, "approved": 3, "rejected": 3}


@dataclass(frozen=True, slots=True)
class Party:
    """Who acts.

    Attributes:
        subject: A user's id, or a client's own.
        is_user: Whether it is a person.
        token: The id of the access token that says so.
    """

    subject: str
    is_user: bool
    token: str

    def describe(self) -> dict[str, str]:
        """Return it as JSON."""
        kind = "user" if self.is_user else "service"
        return {"id": self.subject, "kind": kind, "token": self.token}

    @classmethod
    def read(cls, value: Mapping[str, str]) -> Party:
        """Return who was described."""
        return cls(value["id"], value["kind"] == "user", value["token"])


SYSTEM = Party("ledger", is_user=False, token="")
"""Who lets pending transfers expire."""


def event_id(kind: Kind, id_: str) -> str:
    """Return what an event is called."""
    return f"{kind}/{id_}"


def read_event_id(text: str) -> tuple[str, str]:
    """Return what an event is about, from what it is called."""
    kind, _, id_ = text.partition("/")
    return kind, id_


def make_event(
    kind: Kind,
    id_: str,
    action: str,
    *,
    at: datetime,
    by: Party,
    says: Mapping[str, Any],
    people: Sequence[Party] = (),
    outcome: str = "success",
) -> Event:
    """Return an event.

    Args:
        kind: What it is about.
        id_: Of what.
        action: What happened.
        at: When.
        by: Who did it.
        says: The details.
        people: Who else is named in them.
        outcome: How it ended.
    """
    types = (1, "User") if by.is_user else (4, "Service") if by is not SYSTEM else (3, "System")
    status, severity = (1, 1) if outcome == "success" else (2, 2)
    activity = _ACTIVITIES.get(action.rpartition("_")[2], 99)
    data = {
        "class_uid": 6003,
        "category_uid": 6,
        "activity_id": activity,
        "activity_name": action,
        "type_uid": 600_300 + activity,
        "time": int(at.timestamp() * 1000),
        "severity_id": severity,
        "status_id": status,
        "status_detail": outcome,
        "actor": {
            "user": {"uid": by.subject, "type_id": types[0], "type": types[1]},
            "session": {"uid": by.token},
        },
        "api": {"operation": action},
        "metadata": {
            "version": "1.9.0",
            "product": {"name": SOURCE, "vendor_name": "Slipway"},
            "uid": event_id(kind, id_),
            # Balances are computed from it: it has no end.
            "labels": ["class:financial", "retention:permanent"],
        },
        "unmapped": dict(says),
    }
    value = {
        "specversion": "1.0",
        "id": event_id(kind, id_),
        "source": SOURCE,
        "type": f"audit.{action}",
        "time": at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "subject": f"{kind}:{id_}",
        "datacontenttype": "application/json",
        "data": data,
    }
    event = read_event(value, max_event_bytes=_LARGEST)
    named = [party.subject for party in (by, *people) if party.is_user]
    return dataclasses.replace(event, people=tuple(dict.fromkeys(named)))


def describe_account(account: Account) -> dict[str, Any]:
    """Return what never changes in an account, as JSON."""
    return {
        "id": account.id,
        "ledger": account.ledger,
        "code": account.code,
        "flags": [str(flag.name).lower() for flag in account.flags],
        "user_data_128": account.user_data_128,
        "user_data_64": str(account.user_data_64),
        "user_data_32": account.user_data_32,
    }


def describe_transfer(transfer: Transfer) -> dict[str, Any]:
    """Return a transfer as JSON; large numbers are texts, which every reader keeps exact."""
    return {
        "id": transfer.id,
        "debit_account_id": transfer.debit_account_id,
        "credit_account_id": transfer.credit_account_id,
        "amount": str(transfer.amount),
        "pending_id": transfer.pending_id,
        "user_data_128": transfer.user_data_128,
        "user_data_64": str(transfer.user_data_64),
        "user_data_32": transfer.user_data_32,
        "timeout": transfer.timeout,
        "ledger": transfer.ledger,
        "code": transfer.code,
        "flags": [str(flag.name).lower() for flag in transfer.flags],
    }


def describe(thing: Account | Transfer) -> tuple[str, dict[str, Any]]:
    """Return what something is, and it as JSON."""
    if isinstance(thing, Account):
        return "account", describe_account(thing)
    return "transfer", describe_transfer(thing)


def read_account(value: Mapping[str, Any]) -> Account:
    """Return an account that was described."""
    read = {"flags": account_flags(value["flags"]), "user_data_64": int(value["user_data_64"])}
    fields: dict[str, Any] = {**value, **read}
    return Account(**fields)


def read_transfer(value: Mapping[str, Any]) -> Transfer:
    """Return a transfer that was described."""
    read = {
        "amount": int(value["amount"]),
        "flags": transfer_flags(value["flags"]),
        "user_data_64": int(value["user_data_64"]),
    }
    fields: dict[str, Any] = {**value, **read}
    return Transfer(**fields)


def account_flags(names: Sequence[str]) -> AccountFlag:
    """Return flags from their names."""
    found = AccountFlag(0)
    for name in names:
        found |= AccountFlag[name.upper()]
    return found


def transfer_flags(names: Sequence[str]) -> TransferFlag:
    """Return flags from their names."""
    found = TransferFlag(0)
    for name in names:
        found |= TransferFlag[name.upper()]
    return found
