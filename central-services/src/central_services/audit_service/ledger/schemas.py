"""What the ledger takes and answers.

Amounts are texts of decimal digits: they have up to 128 bits, and most readers of JSON round numbers
beyond 2**53. Ids are UUIDs in lower case.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from .book import Account, Transfer
from .currencies import CURRENCIES
from .records import account_flags, transfer_flags
from .results import AMOUNT_MAX, ID_MIN, AccountStatus, TransferStatus

MAX_BATCH = 500


def _below(limit: int) -> AfterValidator:
    def check(text: str) -> str:
        if int(text) > limit:
            raise ValueError(f"at most {limit}")
        return text

    return AfterValidator(check)


def _known(code: str) -> str:
    if code not in CURRENCIES:
        raise ValueError("a currency of ISO 4217, as in EUR")
    return code


_UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
LedgerId = Annotated[str, StringConstraints(pattern=_UUID)]
Amount = Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,38})$"), _below(AMOUNT_MAX)]
"""Minor units, as decimal digits."""

_Data64 = Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,19})$"), _below(2**64 - 1)]
_Data32 = Annotated[int, Field(strict=True, ge=0, le=2**32 - 1)]
_Code = Annotated[int, Field(strict=True, ge=0, le=2**16 - 1)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), AfterValidator(_known)]
AccountFlagName = Literal[
    "linked", "debits_must_not_exceed_credits", "credits_must_not_exceed_debits"
]
TransferFlagName = Literal[
    "linked",
    "pending",
    "post_pending_transfer",
    "void_pending_transfer",
    "balancing_debit",
    "balancing_credit",
]


_MAY_LEAVE_OUT = frozenset(
    {"post_pending_transfer", "void_pending_transfer", "balancing_debit", "balancing_credit"}
)


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Described(_Model):
    id: LedgerId = Field(description="Chosen by the caller: what makes a repetition one.")
    user_data_128: LedgerId | None = None
    user_data_64: _Data64 = "0"
    user_data_32: _Data32 = 0


class NewAccount(_Described):
    """An account to make."""

    ledger: Currency = Field(description="Its currency.")
    code: Annotated[int, Field(strict=True, ge=1, le=2**16 - 1)] = Field(
        description="What kind of account it is."
    )
    flags: list[AccountFlagName] = Field(default=[], max_length=3)

    def account(self) -> Account:
        """Return it for the rules."""
        values = self.model_dump(exclude={"flags", "user_data_64"})
        flags = account_flags(self.flags)
        return Account(**values, flags=flags, user_data_64=int(self.user_data_64))


class NewTransfer(_Described):
    """A transfer to make. What a posting or voiding one leaves out, the pending one says."""

    debit_account_id: LedgerId | None = None
    credit_account_id: LedgerId | None = None
    amount: Amount | None = Field(
        default=None,
        description="Minor units; left out, all that is pending, or all that a balancing one may move.",
    )
    pending_id: LedgerId | None = None
    timeout: _Data32 = Field(default=0, description="Seconds until a pending transfer expires.")
    ledger: Currency | None = None
    code: _Code = 0
    flags: list[TransferFlagName] = Field(default=[], max_length=6)

    @model_validator(mode="after")
    def _says_how_much(self) -> Self:
        """Refuse a transfer that would move all there can be because an amount was forgotten."""
        if self.amount is None and not _MAY_LEAVE_OUT & set(self.flags):
            raise ValueError("amount: minor units, as decimal digits")
        return self

    def transfer(self) -> Transfer:
        """Return it for the rules, which know zero where JSON leaves out."""
        voids = "void_pending_transfer" in self.flags
        everything = 0 if voids else AMOUNT_MAX
        optional = ("debit_account_id", "credit_account_id", "pending_id", "user_data_128")
        said = {name: getattr(self, name) for name in optional}
        return Transfer(
            id=self.id,
            amount=everything if self.amount is None else int(self.amount),
            **{name: None if value == ID_MIN else value for name, value in said.items()},
            user_data_64=int(self.user_data_64),
            user_data_32=self.user_data_32,
            timeout=self.timeout,
            ledger=self.ledger or "",
            code=self.code,
            flags=transfer_flags(self.flags),
        )


class NewAccounts(_Model):
    """Accounts to make."""

    accounts: list[NewAccount] = Field(min_length=1, max_length=MAX_BATCH)


class NewTransfers(_Model):
    """Transfers to make, in order."""

    transfers: list[NewTransfer] = Field(min_length=1, max_length=MAX_BATCH)


class AccountResult(_Model):
    """What became of an account."""

    id: str
    status: AccountStatus
    timestamp: datetime


class AccountResults(_Model):
    """What became of each account, in order."""

    results: list[AccountResult]


class TransferResult(_Model):
    """What became of a transfer."""

    id: str
    status: TransferStatus
    timestamp: datetime = Field(
        description="When it was made; of one that was not, when that was found out."
    )


class TransferResults(_Model):
    """What became of each transfer, in order."""

    results: list[TransferResult]


class AccountShown(_Model):
    """An account with its balances."""

    id: str
    ledger: str
    code: int
    flags: list[AccountFlagName]
    user_data_128: str | None
    user_data_64: str
    user_data_32: int
    debits_pending: str
    debits_posted: str
    credits_pending: str
    credits_posted: str
    created_at: datetime


class AccountPage(_Model):
    """Some accounts, in the order in which they came."""

    items: list[AccountShown]
    next: str | None


class PartyShown(_Model):
    """Who acted."""

    id: str
    kind: Literal["user", "service"]
    token: str = Field(description="The id of the access token (jti).")


class ApproverShown(PartyShown):
    """Who approved, and when."""

    at: datetime


class Authorisation(_Model):
    """What allowed a transfer."""

    policy: str
    token: str = Field(description="The id of the access token (jti) that it was asked for with.")
    approver: ApproverShown | None


class TransferShown(_Model):
    """A transfer that was made."""

    id: str
    debit_account_id: str
    credit_account_id: str
    amount: str
    pending_id: str | None
    user_data_128: str | None
    user_data_64: str
    user_data_32: int
    timeout: int
    ledger: str
    code: int
    flags: list[TransferFlagName]
    created_at: datetime
    pending_status: Literal["pending", "posted", "voided", "expired"] | None
    actor: PartyShown | None = Field(description="Null once the person was shredded.")
    authorisation: Authorisation | None = Field(description="Null once the person was shredded.")
    event: str = Field(description="The id of its event in the tenant's log.")
    seq: int | None = Field(description="Its index in the log; null until it is sealed.")


class TransferPage(_Model):
    """Some transfers, the latest first."""

    items: list[TransferShown]
    next: str | None


class Proof(_Model):
    """What proves a transfer to anybody who has the log's key."""

    event: dict[str, Any] | None = Field(description="Null once a person in it was shredded.")
    receipt: str | None = Field(description="A c2sp.org/tlog-proof@v1; null until it is signed.")


class Decision(_Model):
    """What a second person says."""

    decision: Literal["approve", "reject"]
    reason: str = Field(default="", max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")


class DecisionResult(_Model):
    """What became of a proposal, and of its transfers."""

    proposal: str
    status: Literal["approved", "rejected", "failed"]
    results: list[TransferResult]


class ProposalShown(_Model):
    """Transfers that wait for a second person."""

    id: str
    created_at: datetime
    expires_at: datetime
    actor: PartyShown | None = Field(description="Null once the person was shredded.")
    policy: str | None
    transfers: list[dict[str, Any]]


class ProposalPage(_Model):
    """Some proposals, in the order in which they came."""

    items: list[ProposalShown]
    next: str | None
