"""The ledger: accounts, transfers, and the second person whom large ones need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query

from ...api.problems import problem_responses
from ...kit.cursors import InvalidCursorError
from ..dependencies import (
    REFUSALS,
    AuditParts,
    LedgerApprover,
    LedgerReads,
    LedgerWriter,
    Parts,
    party_of,
)
from ..errors import UnknownThingError
from ..ledger import schemas
from ..ledger.approvals import Waiting
from ..ledger.book import Account
from ..ledger.errors import DecidedError, OwnTransferError
from ..ledger.reading import Made
from ..ledger.records import SOURCE, describe_account, describe_transfer
from ..ledger.service import Result

router = APIRouter(prefix="/v1/ledger", tags=["ledger"])

_ONE = problem_responses(*REFUSALS, UnknownThingError, 422)
_LIST = problem_responses(*REFUSALS, InvalidCursorError, 422)
Limit = Annotated[int, Query(ge=1, le=200)]
CursorText = Annotated[str | None, Query(max_length=1_000)]


def _results(results: Sequence[Result]) -> list[dict[str, Any]]:
    return [{"id": r.id, "status": r.status, "timestamp": r.at} for r in results]


def _account(account: Account) -> dict[str, Any]:
    names = ("debits_pending", "debits_posted", "credits_pending", "credits_posted")
    balances = {name: str(getattr(account, name)) for name in names}
    return {**describe_account(account), **balances, "created_at": account.created_at}


# --- accounts ------------------------------------------------------------------------------------


@router.post("/accounts", summary="Make accounts", responses=problem_responses(*REFUSALS, 422))
async def create_accounts(
    order: schemas.NewAccounts, parts: AuditParts, caller: LedgerWriter
) -> schemas.AccountResults:
    """Make accounts, and say in order what became of each. A linked chain is made whole or not at all."""
    accounts = [account.account() for account in order.accounts]
    results = await parts.ledger(caller.tenant).create_accounts(accounts, party_of(caller))
    return schemas.AccountResults.model_validate({"results": _results(results)})


@router.get("/accounts", summary="List accounts", responses=_LIST)
async def list_accounts(
    parts: AuditParts, caller: LedgerReads, limit: Limit = 50, cursor: CursorText = None
) -> schemas.AccountPage:
    """Return accounts with their balances, in the order in which they came."""
    scope = {"list": "ledger accounts", "tenant": caller.tenant}
    after = int(parts.cursors.read(cursor, scope)[0]) if cursor else 0
    found = await parts.ledger_reader(caller.tenant).accounts(after=after, limit=limit + 1)
    more = parts.cursors.write([found[limit - 1][0]], scope) if len(found) > limit else None
    items = [_account(account) for _, account in found[:limit]]
    return schemas.AccountPage.model_validate({"items": items, "next": more})


@router.get("/accounts/{account_id}", summary="Get an account", responses=_ONE)
async def get_account(
    account_id: schemas.LedgerId, parts: AuditParts, caller: LedgerReads
) -> schemas.AccountShown:
    """Return an account with its balances."""
    found = await parts.ledger_reader(caller.tenant).account(account_id)
    return schemas.AccountShown.model_validate(_account(found))


@router.get(
    "/accounts/{account_id}/transfers",
    summary="List an account's transfers",
    responses=problem_responses(*REFUSALS, InvalidCursorError, UnknownThingError, 422),
)
async def list_transfers_of_account(
    account_id: schemas.LedgerId,
    parts: AuditParts,
    caller: LedgerReads,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> schemas.TransferPage:
    """Return the transfers that debit or credit an account, the latest first."""
    return await _page(parts, caller.tenant, limit, cursor, account=account_id)


# --- transfers -----------------------------------------------------------------------------------


@router.post("/transfers", summary="Make transfers", responses=problem_responses(*REFUSALS, 422))
async def create_transfers(
    order: schemas.NewTransfers, parts: AuditParts, caller: LedgerWriter
) -> schemas.TransferResults:
    """Make transfers, and say in order what became of each, once all of it is on the disk.

    The same id with the same content is `exists`, and changes nothing. A linked chain is made whole or
    not at all. A chain above the amount that needs a second person is `awaiting_approval`.
    """
    transfers = [transfer.transfer() for transfer in order.transfers]
    results = await parts.ledger(caller.tenant).create_transfers(transfers, party_of(caller))
    return schemas.TransferResults.model_validate({"results": _results(results)})


@router.get("/transfers", summary="List transfers", responses=_LIST)
async def list_transfers(
    parts: AuditParts, caller: LedgerReads, limit: Limit = 50, cursor: CursorText = None
) -> schemas.TransferPage:
    """Return transfers, the latest first."""
    return await _page(parts, caller.tenant, limit, cursor)


async def _page(
    parts: Parts, tenant: str, limit: int, cursor: str | None, *, account: str = ""
) -> schemas.TransferPage:
    scope = {"list": "ledger transfers", "tenant": tenant, "account": account}
    before = int(parts.cursors.read(cursor, scope)[0]) if cursor else None
    reader = parts.ledger_reader(tenant)
    found = await reader.transfers(before=before, limit=limit + 1, account=account)
    more = parts.cursors.write([found[limit - 1].n], scope) if len(found) > limit else None
    items = [made.describe() for made in found[:limit]]
    return schemas.TransferPage.model_validate({"items": items, "next": more})


@router.get("/transfers/{transfer_id}", summary="Get a transfer", responses=_ONE)
async def get_transfer(
    transfer_id: schemas.LedgerId, parts: AuditParts, caller: LedgerReads
) -> schemas.TransferShown:
    """Return a transfer, with who asked for it and who allowed it."""
    found = await parts.ledger_reader(caller.tenant).transfer(transfer_id)
    return schemas.TransferShown.model_validate(found.describe())


@router.get("/transfers/{transfer_id}/proof", summary="Prove a transfer", responses=_ONE)
async def get_proof(
    transfer_id: schemas.LedgerId, parts: AuditParts, caller: LedgerReads
) -> schemas.Proof:
    """Return a transfer's event and its receipt: enough to check it offline, with the log's key."""
    made: Made = await parts.ledger_reader(caller.tenant).transfer(transfer_id)
    name = made.describe()["event"]
    found = await parts.trail(caller.tenant).receipts([name], source=SOURCE, sender=None)
    event = dict(made.event) if made.event else None
    return schemas.Proof(event=event, receipt=found.receipts.get(name))


# --- approvals -----------------------------------------------------------------------------------


@router.get("/approvals", summary="List what waits for an approval", responses=_LIST)
async def list_proposals(
    parts: AuditParts, caller: LedgerReads, limit: Limit = 50, cursor: CursorText = None
) -> schemas.ProposalPage:
    """Return transfers that wait for a second person, in the order in which they came."""
    scope = {"list": "ledger approvals", "tenant": caller.tenant}
    after = int(parts.cursors.read(cursor, scope)[0]) if cursor else 0
    found = await parts.approvals(caller.tenant).waiting(after=after, limit=limit + 1)
    more = parts.cursors.write([found[limit - 1].row.n], scope) if len(found) > limit else None
    items = [_proposal(waiting) for waiting in found[:limit]]
    return schemas.ProposalPage.model_validate({"items": items, "next": more})


def _proposal(waiting: Waiting) -> dict[str, Any]:
    row, proposed = waiting.row, waiting.proposed
    return {
        "id": row.id,
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "actor": proposed.actor.describe() if proposed else None,
        "policy": proposed.policy if proposed else None,
        "transfers": [describe_transfer(t) for t in proposed.transfers] if proposed else [],
    }


@router.post(
    "/transfers/{transfer_id}/approvals",
    summary="Approve or reject",
    responses=problem_responses(*REFUSALS, UnknownThingError, OwnTransferError, DecidedError, 422),
)
async def decide(
    transfer_id: schemas.LedgerId,
    order: schemas.Decision,
    parts: AuditParts,
    caller: LedgerApprover,
) -> schemas.DecisionResult:
    """Decide, as another person than the one who asked, on the chain that a transfer is part of.

    Approved, it is made at once, on the balances of now: `failed` when that is not possible any more.
    """
    decided = await parts.approvals(caller.tenant).decide(
        transfer_id,
        party_of(caller),
        approves=order.decision == "approve",
        reason=order.reason,
    )
    return schemas.DecisionResult.model_validate(
        {
            "proposal": decided.proposal,
            "status": decided.status,
            "results": _results(decided.results),
        }
    )
