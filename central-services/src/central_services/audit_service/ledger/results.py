"""What becomes of an account or a transfer, in TigerBeetle's words and its order of precedence.

Source: docs.tigerbeetle.com, reference/requests/create_accounts and create_transfers. Results of what is
not offered here (imported events, closing transfers) are left out; `AWAITING_APPROVAL` is ours.
"""

from __future__ import annotations

from enum import Flag, StrEnum, auto

ID_MIN = "00000000-0000-0000-0000-000000000000"
ID_MAX = "ffffffff-ffff-ffff-ffff-ffffffffffff"
AMOUNT_MAX = 2**128 - 1
"""The largest amount; of a posting transfer it means all that is pending."""


class AccountFlag(Flag):
    """What an account promises."""

    LINKED = auto()
    DEBITS_MUST_NOT_EXCEED_CREDITS = auto()
    CREDITS_MUST_NOT_EXCEED_DEBITS = auto()


class TransferFlag(Flag):
    """How a transfer behaves."""

    LINKED = auto()
    PENDING = auto()
    POST_PENDING_TRANSFER = auto()
    VOID_PENDING_TRANSFER = auto()
    BALANCING_DEBIT = auto()
    BALANCING_CREDIT = auto()


NO_ACCOUNT_FLAG, NO_TRANSFER_FLAG = AccountFlag(0), TransferFlag(0)
RESOLVES = TransferFlag.POST_PENDING_TRANSFER | TransferFlag.VOID_PENDING_TRANSFER
BALANCES = TransferFlag.BALANCING_DEBIT | TransferFlag.BALANCING_CREDIT


class AccountStatus(StrEnum):
    """What became of an account."""

    CREATED = auto()
    LINKED_EVENT_FAILED = auto()
    LINKED_EVENT_CHAIN_OPEN = auto()
    ID_MUST_NOT_BE_ZERO = auto()
    ID_MUST_NOT_BE_INT_MAX = auto()
    EXISTS_WITH_DIFFERENT_FLAGS = auto()
    EXISTS_WITH_DIFFERENT_USER_DATA_128 = auto()
    EXISTS_WITH_DIFFERENT_USER_DATA_64 = auto()
    EXISTS_WITH_DIFFERENT_USER_DATA_32 = auto()
    EXISTS_WITH_DIFFERENT_LEDGER = auto()
    EXISTS_WITH_DIFFERENT_CODE = auto()
    EXISTS = auto()
    FLAGS_ARE_MUTUALLY_EXCLUSIVE = auto()


class TransferStatus(StrEnum):
    """What became of a transfer."""

    CREATED = auto()
    AWAITING_APPROVAL = auto()
    LINKED_EVENT_FAILED = auto()
    LINKED_EVENT_CHAIN_OPEN = auto()
    ID_MUST_NOT_BE_ZERO = auto()
    ID_MUST_NOT_BE_INT_MAX = auto()
    EXISTS_WITH_DIFFERENT_FLAGS = auto()
    EXISTS_WITH_DIFFERENT_PENDING_ID = auto()
    EXISTS_WITH_DIFFERENT_TIMEOUT = auto()
    EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID = auto()
    EXISTS_WITH_DIFFERENT_CREDIT_ACCOUNT_ID = auto()
    EXISTS_WITH_DIFFERENT_AMOUNT = auto()
    EXISTS_WITH_DIFFERENT_USER_DATA_128 = auto()
    EXISTS_WITH_DIFFERENT_USER_DATA_64 = auto()
    EXISTS_WITH_DIFFERENT_USER_DATA_32 = auto()
    EXISTS_WITH_DIFFERENT_LEDGER = auto()
    EXISTS_WITH_DIFFERENT_CODE = auto()
    EXISTS = auto()
    ID_ALREADY_FAILED = auto()
    FLAGS_ARE_MUTUALLY_EXCLUSIVE = auto()
    DEBIT_ACCOUNT_ID_MUST_NOT_BE_ZERO = auto()
    DEBIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX = auto()
    CREDIT_ACCOUNT_ID_MUST_NOT_BE_ZERO = auto()
    CREDIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX = auto()
    ACCOUNTS_MUST_BE_DIFFERENT = auto()
    PENDING_ID_MUST_BE_ZERO = auto()
    PENDING_ID_MUST_NOT_BE_ZERO = auto()
    PENDING_ID_MUST_NOT_BE_INT_MAX = auto()
    PENDING_ID_MUST_BE_DIFFERENT = auto()
    TIMEOUT_RESERVED_FOR_PENDING_TRANSFER = auto()
    LEDGER_MUST_NOT_BE_ZERO = auto()
    CODE_MUST_NOT_BE_ZERO = auto()
    DEBIT_ACCOUNT_NOT_FOUND = auto()
    CREDIT_ACCOUNT_NOT_FOUND = auto()
    ACCOUNTS_MUST_HAVE_THE_SAME_LEDGER = auto()
    TRANSFER_MUST_HAVE_THE_SAME_LEDGER_AS_ACCOUNTS = auto()
    PENDING_TRANSFER_NOT_FOUND = auto()
    PENDING_TRANSFER_NOT_PENDING = auto()
    PENDING_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT_ID = auto()
    PENDING_TRANSFER_HAS_DIFFERENT_CREDIT_ACCOUNT_ID = auto()
    PENDING_TRANSFER_HAS_DIFFERENT_LEDGER = auto()
    PENDING_TRANSFER_HAS_DIFFERENT_CODE = auto()
    EXCEEDS_PENDING_TRANSFER_AMOUNT = auto()
    PENDING_TRANSFER_HAS_DIFFERENT_AMOUNT = auto()
    PENDING_TRANSFER_ALREADY_POSTED = auto()
    PENDING_TRANSFER_ALREADY_VOIDED = auto()
    PENDING_TRANSFER_EXPIRED = auto()
    OVERFLOWS_DEBITS_PENDING = auto()
    OVERFLOWS_CREDITS_PENDING = auto()
    OVERFLOWS_DEBITS_POSTED = auto()
    OVERFLOWS_CREDITS_POSTED = auto()
    OVERFLOWS_DEBITS = auto()
    OVERFLOWS_CREDITS = auto()
    EXCEEDS_CREDITS = auto()
    EXCEEDS_DEBITS = auto()


TRANSIENT = frozenset(
    {
        TransferStatus.DEBIT_ACCOUNT_NOT_FOUND,
        TransferStatus.CREDIT_ACCOUNT_NOT_FOUND,
        TransferStatus.PENDING_TRANSFER_NOT_FOUND,
        TransferStatus.EXCEEDS_CREDITS,
        TransferStatus.EXCEEDS_DEBITS,
    }
)
"""Failures that depend on the moment: the id is used up by them, so that a repetition has one outcome."""


class PendingStatus(StrEnum):
    """What became of a pending transfer."""

    PENDING = auto()
    POSTED = auto()
    VOIDED = auto()
    EXPIRED = auto()
