# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Financial transactions in the audit trail: all parties, who allowed it, and exact, balanced amounts.

Accounts, amounts and the reference of the authorisation are stored in clear, so that the record stays
complete when a person in it is erased; people's ids and the reason are encrypted under their keys.
Name an account by its id in the ledger, never by a card number or an IBAN.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Annotated

from fastapi import FastAPI
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from ..utils.financial import Money
from .actions import ACTIONS, Action, OcsfClass
from .dependencies import RequestAudit
from .errors import AuditError
from .events import Actor, AuditEvent, DataClass, Retention, Sensitivity, Target
from .log import AuditLog

MAX_LEGS = 1_000

# One line without control characters, and not blank.
Text = Annotated[
    str,
    StringConstraints(strict=True, max_length=200, pattern=r"^[^\p{C}\s](?:[^\p{C}]*[^\p{C}\s])?$"),
]


class InvalidTransactionError(AuditError):
    """A party, the authorisation or the balance is missing or wrong; nothing was recorded."""

    status = 422
    title = "Invalid financial transaction"


class Authorization(BaseModel, frozen=True, extra="forbid"):
    """Who allowed a transaction, and by what right.

    Attributes:
        authorized_by: The id of the person or service that allowed it.
        reference: What shows it: the id of an approval, a mandate or a token, never the token.
    """

    authorized_by: Text
    reference: Text


class Leg(BaseModel, frozen=True, extra="forbid"):
    """What happens to one account.

    Attributes:
        account: Its id.
        amount: What it gains; negative is what it gives.
    """

    account: Text
    amount: Money


class FinancialTransaction(BaseModel, frozen=True, extra="forbid"):
    """The data of the event: a balanced entry (double-entry bookkeeping)."""

    transaction_id: Text
    legs: Annotated[tuple[Leg, ...], Field(min_length=2, max_length=MAX_LEGS)]
    occurred_at: Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC))]
    authorization_reference: Text
    authorized_by: Annotated[Text, Sensitivity.CONFIDENTIAL]
    user_id: Annotated[Text, Sensitivity.CONFIDENTIAL]

    @model_validator(mode="after")
    def _is_balanced(self) -> FinancialTransaction:
        if not all(leg.amount for leg in self.legs):
            raise ValueError("a leg of nothing moves no money")
        if len({leg.account for leg in self.legs}) < 2:
            raise ValueError("money moves between two accounts at least")
        for code in sorted({leg.amount.currency for leg in self.legs}):
            amounts = [leg.amount for leg in self.legs if leg.amount.currency == code]
            if sum(amounts):
                raise ValueError(f"what the accounts gain and give in {code} does not add up to 0")
        return self


RECORDED = ACTIONS.register(
    Action(
        "financial.transaction_recorded",
        "Money moved between accounts",
        FinancialTransaction,
        data_class=DataClass.FINANCIAL,
        retention=Retention.LONG,
        ocsf=OcsfClass(6003, 1),
        controls=("SOC 2 CC7.2", "ISO 27001 A.8.15 a"),
    )
)

_running: list[AuditLog] = []
"""The trails of the applications that run in this process; there is one but in tests."""


@asynccontextmanager
async def financial_lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Make the application's trail the one that transactions go to by default."""
    log: AuditLog = app.state.audit
    _running.append(log)
    try:
        yield
    finally:
        _running.remove(log)


async def audit_log_financial_transaction(
    transaction_id: str,
    amount: Money | Decimal | int,
    currency: str,
    from_account: str,
    to_account: str,
    reason: str,
    user_id: str,
    timestamp: datetime,
    authorization: Authorization,
    *,
    audit: AuditLog | RequestAudit | None = None,
    subjects: Sequence[str] = (),
    session: object | None = None,
) -> AuditEvent:
    """Record that money moved from one account to another, and return once it is on the disk.

    Calling it again with the same transaction is safe: it records nothing, and returns the event
    of the first time.

    Args:
        transaction_id: Its id in the ledger; one event per id, ever.
        amount: How much, above zero, with no more decimals than the currency has.
        currency: ISO 4217 code.
        from_account: The id of the account that gives.
        to_account: The id of the account that gains.
        reason: Why, in words.
        user_id: The id of who made the transaction.
        timestamp: When it happened, with a time zone.
        authorization: Who allowed it, and by what right.
        audit: Where to record it: an endpoint's `audit: Audit`, which adds the caller's address
            and session, or a log. By default the trail of the running service.
        subjects: The ids of further people it is about; erasing one of them, the user or who
            allowed it makes their ids and the reason unreadable, and nothing else.
        session: The `AsyncSession` of the transaction that moves the money, where the project has
            a database: both are committed, or neither.

    Raises:
        InvalidTransactionError: When something is missing, not exact, or the accounts are the same.
        MoneyError: When the amount or the currency is none.
        TypeError: For a float.
        AuditConflictError: When another transaction was recorded under this id.
        AuditUnavailableError: When it could not be stored. Undo the transaction.
    """
    money = _money(amount, currency)
    if money <= Money.zero(currency):
        raise InvalidTransactionError("amount: must be above zero; swap the accounts instead")
    return await audit_log_journal_entry(
        transaction_id,
        [(from_account, -money), (to_account, money)],
        reason,
        user_id,
        timestamp,
        authorization,
        audit=audit,
        subjects=subjects,
        session=session,
    )


async def audit_log_journal_entry(
    transaction_id: str,
    legs: Sequence[tuple[str, Money]],
    reason: str,
    user_id: str,
    timestamp: datetime,
    authorization: Authorization,
    *,
    audit: AuditLog | RequestAudit | None = None,
    subjects: Sequence[str] = (),
    session: object | None = None,
) -> AuditEvent:
    """Record a transaction of several legs, such as a payment with a fee or in two currencies.

    Args:
        transaction_id: See `audit_log_financial_transaction`, as for all that is not named here.
        legs: Accounts and what each gains (negative: gives); 2 to 1,000, adding up to zero in each
            currency.
        reason: Why, in words.
        user_id: The id of who made the transaction.
        timestamp: When it happened, with a time zone.
        authorization: Who allowed it, and by what right.
        audit: Where to record it.
        subjects: The ids of further people it is about.
        session: The transaction that moves the money, where the project has a database.

    Raises:
        InvalidTransactionError: When something is missing, or the legs do not balance.
        AuditConflictError: When another transaction was recorded under this id.
        AuditUnavailableError: When it could not be stored. Undo the transaction.
    """
    if not isinstance(authorization, Authorization):
        raise InvalidTransactionError("authorization: say who allowed it, as an Authorization")
    if not isinstance(reason, str) or not reason.strip() or len(reason) > 1_000:
        raise InvalidTransactionError("reason: say why, in 1 to 1,000 characters")
    transaction = _checked(
        {
            "transaction_id": transaction_id,
            "legs": [{"account": account, "amount": amount} for account, amount in legs],
            "occurred_at": timestamp,
            "authorization_reference": authorization.reference,
            "authorized_by": authorization.authorized_by,
            "user_id": user_id,
        }
    )
    trail = audit or _trail()
    about = dict.fromkeys([user_id, authorization.authorized_by, *subjects])
    return await _recorder(trail, session)(
        RECORDED,
        target=Target("transaction", transaction_id),
        reason=reason,
        actor=_actor(trail, user_id),
        data=transaction,
        subjects=tuple(about),
        idempotency_key=transaction_id,
    )


def _money(amount: Money | Decimal | int, currency: str) -> Money:
    if not isinstance(amount, Money):
        return Money(amount, currency)
    if amount.currency != currency:
        raise InvalidTransactionError(f"currency: the amount is in {amount.currency}")
    return amount


def _checked(values: dict[str, object]) -> FinancialTransaction:
    try:
        return FinancialTransaction.model_validate(values)
    except ValidationError as error:
        # Which field and why, never its value: the text is shown to callers.
        wrong = (
            f"{'.'.join(map(str, item['loc'])) or 'legs'}: {item['msg']}"
            for item in error.errors(include_input=False, include_url=False)
        )
        raise InvalidTransactionError("; ".join(wrong)) from None


def _trail() -> AuditLog:
    if len(_running) != 1:
        raise RuntimeError(
            f"{len(_running)} applications run in this process, so say where to record: audit=..."
        )
    return _running[0]


def _recorder(
    trail: AuditLog | RequestAudit, session: object | None
) -> Callable[..., Awaitable[AuditEvent]]:
    """Return what records, in the session's transaction when there is one."""
    if isinstance(trail, RequestAudit):
        return trail.record if session is None else trail.within(session).record
    return partial(trail.record, session=session)


def _actor(trail: AuditLog | RequestAudit, user_id: str) -> Actor:
    """Return the user, as far as the request knows them; another caller acts on their behalf."""
    if not isinstance(trail, RequestAudit):
        return Actor("user", user_id)
    caller = trail.actor
    if caller.id is None:
        return replace(caller, kind="user", id=user_id)
    return caller if caller.id == user_id else replace(caller, on_behalf_of=user_id)
