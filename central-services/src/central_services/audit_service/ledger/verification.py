"""Verification of the ledger: are the balances what the events in the log say, and nothing else?

The events are read in their order, each compared with its row, and the balances computed anew. Of an
event whose person was shredded the row counts, as long as its authentication code holds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from hmac import compare_digest
from typing import Any

from sqlalchemy import exists, literal, select
from sqlalchemy.orm import Session

from ...audit.errors import AuditKeyError
from ...audit.verify import Finding
from ..models import EventRow
from ..payloads import PayloadCodec
from .book import Account, Transfer
from .models import AccountRow, PendingRow, TransferRow
from .records import (
    SOURCE,
    describe,
    read_event_id,
)
from .repository import account_of, transfer_of
from .results import PendingStatus, TransferFlag
from .writing import mac_of

STEP = 500
_SIDES = ("debits_pending", "debits_posted", "credits_pending", "credits_posted")
_DP, _D, _CP, _C = range(4)


class LedgerVerification:
    """Checks the ledger of one tenant.

    Attributes:
        transfers: How many transfers there are.
    """

    def __init__(self, tenant: str, codec: PayloadCodec) -> None:
        self._tenant = tenant
        self._codec = codec
        self._findings: list[Finding] = []
        self._balances: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        self._pending: dict[str, str] = {}
        self._known: set[str] = set()
        self.transfers = 0

    def run(self, session: Session) -> list[Finding]:
        """Return what is wrong."""
        for events in self._events(session):
            accounts, transfers = self._rows(session, events)
            for row in events:
                self._replay(row, accounts, transfers)
            session.expunge_all()
        self._check_accounts(session)
        self._check_pending(session)
        self._check_unlogged(session)
        return self._findings

    def _find(self, where: str, what: str) -> None:
        self._findings.append(Finding(where, what))

    def _events(self, session: Session) -> Iterator[Sequence[EventRow]]:
        row, after = EventRow, 0
        while True:
            query = select(row).where(row.source == SOURCE, row.n > after).order_by(row.n)
            rows = session.scalars(query.limit(STEP)).all()
            if not rows:
                return
            after = rows[-1].n
            yield rows

    def _rows(
        self, session: Session, events: Sequence[EventRow]
    ) -> tuple[dict[str, AccountRow], dict[str, TransferRow]]:
        """Return the rows that events are about, and the pending transfers that they resolve."""
        named = [read_event_id(row.event_id) for row in events]
        ids = [id_ for kind, id_ in named if kind in {"transfer", "expiry"}]
        query = select(TransferRow).where(TransferRow.id.in_(ids))
        transfers = {row.id: row for row in session.scalars(query)}
        resolved = [row.pending_id for row in transfers.values() if row.pending_id]
        query = select(TransferRow).where(TransferRow.id.in_(resolved))
        transfers |= {row.id: row for row in session.scalars(query)}
        wanted = [id_ for kind, id_ in named if kind == "account"]
        found = session.scalars(select(AccountRow).where(AccountRow.id.in_(wanted)))
        return {row.id: row for row in found}, transfers

    def _replay(
        self,
        event: EventRow,
        accounts: dict[str, AccountRow],
        transfers: dict[str, TransferRow],
    ) -> None:
        kind, id_ = read_event_id(event.event_id)
        if kind == "account":
            row = accounts.get(id_)
            account = account_of(row) if row else None
            if self._is_as_said(event, account, row.mac if row else b""):
                self._known.add(id_)
        elif kind == "transfer":
            made = transfers.get(id_)
            transfer = transfer_of(made) if made else None
            if transfer and self._is_as_said(event, transfer, made.mac if made else b""):
                self._apply(transfer, transfers)
            elif transfer is None:
                self._find(f"transfer {id_}", "is in the log and not in the ledger")
        elif kind == "expiry":
            self._resolve(id_, PendingStatus.EXPIRED, transfers)

    def _is_as_said(self, event: EventRow, stored: Account | Transfer | None, mac: bytes) -> bool:
        """Whether a row is what its event says, or at least what this service has written."""
        where = event.event_id.replace("/", " ")
        if stored is None:
            self._find(where, "is in the log and not in the ledger")
            return False
        if not compare_digest(mac_of(self._codec, self._tenant, stored), mac):
            self._find(where, "was changed")
            return False
        said = self._said(event)
        kind, plain = describe(stored)
        if said is not None and said[kind] != plain:
            self._find(where, "is not what the log says")
            return False
        return True

    def _said(self, event: EventRow) -> dict[str, Any] | None:
        """Return the details of an event; None when it can't be read, which the log's own check judges."""
        if event.box is None:
            return None
        try:
            opened = self._codec.open(
                self._tenant, event.source, event.event_id, event.keys, event.box
            )
        except AuditKeyError:
            return None
        return dict(opened.event["data"]["unmapped"]) if opened else None

    # --- computing -------------------------------------------------------------------------------

    def _apply(self, made: Transfer, transfers: dict[str, TransferRow]) -> None:
        self.transfers += 1
        debit, credit = self._sides(made)
        if made.pending_id is not None:
            posts = TransferFlag.POST_PENDING_TRANSFER in made.flags
            status = PendingStatus.POSTED if posts else PendingStatus.VOIDED
            self._resolve(made.pending_id, status, transfers)
            if posts:
                debit[_D] += made.amount
                credit[_C] += made.amount
        elif TransferFlag.PENDING in made.flags:
            self._pending[made.id] = PendingStatus.PENDING
            debit[_DP] += made.amount
            credit[_CP] += made.amount
        else:
            debit[_D] += made.amount
            credit[_C] += made.amount

    def _resolve(self, id_: str, status: PendingStatus, transfers: dict[str, TransferRow]) -> None:
        row = transfers.get(id_)
        if row is None or self._pending.get(id_) != PendingStatus.PENDING:
            self._find(f"transfer {id_}", f"was {status} and was not pending")
            return
        self._pending[id_] = status
        pending = transfer_of(row)
        debit, credit = self._sides(pending)
        debit[_DP] -= pending.amount
        credit[_CP] -= pending.amount

    def _sides(self, made: Transfer) -> tuple[list[int], list[int]]:
        debit, credit = made.debit_account_id or "", made.credit_account_id or ""
        return self._balances[debit], self._balances[credit]

    # --- comparing -------------------------------------------------------------------------------

    def _check_accounts(self, session: Session) -> None:
        sums: dict[str, int] = defaultdict(int)
        for row in session.scalars(select(AccountRow).order_by(AccountRow.n)):
            account, where = account_of(row), f"account {row.id}"
            stored = [getattr(account, side) for side in _SIDES]
            if row.id not in self._known:
                self._find(where, "is in the ledger and not in the log")
            if stored != self._balances.pop(row.id, [0, 0, 0, 0]):
                self._find(where, "its balances are not what its transfers say")
            if account.refuses_debit(0) or account.refuses_credit(0):
                self._find(where, "it has spent more than it may")
            sums[account.ledger] += account.debits_posted - account.credits_posted
            sums[account.ledger] += account.debits_pending - account.credits_pending
        for id_ in self._balances:
            self._find(f"account {id_}", "transfers name it, and it is not there")
        for currency, difference in sorted(sums.items()):
            if difference:
                self._find(f"ledger {currency}", "its debits are not its credits")

    def _check_pending(self, session: Session) -> None:
        query = select(PendingRow.id, PendingRow.status).order_by(PendingRow.n)
        for id_, status in session.execute(query):
            if self._pending.pop(id_, None) != status:
                self._find(f"transfer {id_}", f"is not {status}")
        for id_ in self._pending:
            self._find(f"transfer {id_}", "nothing says what became of it")

    def _check_unlogged(self, session: Session) -> None:
        """Look for transfers that no event tells of."""
        event, name = EventRow, literal("transfer/") + TransferRow.id
        told = exists().where(
            event.tenant_id == self._tenant, event.source == SOURCE, event.event_id == name
        )
        for id_ in session.scalars(select(TransferRow.id).where(~told)):
            self._find(f"transfer {id_}", "is in the ledger and not in the log")
