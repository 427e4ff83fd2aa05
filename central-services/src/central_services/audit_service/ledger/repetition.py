"""An id that is there already: the same content is no failure, and other content says what differs."""

from __future__ import annotations

from .book import Account, Book, Transfer
from .results import AMOUNT_MAX, BALANCES, RESOLVES, AccountStatus, TransferFlag, TransferStatus

_S = TransferStatus
_FIELDS = (
    ("flags", _S.EXISTS_WITH_DIFFERENT_FLAGS),
    ("pending_id", _S.EXISTS_WITH_DIFFERENT_PENDING_ID),
    ("timeout", _S.EXISTS_WITH_DIFFERENT_TIMEOUT),
    ("debit_account_id", _S.EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID),
    ("credit_account_id", _S.EXISTS_WITH_DIFFERENT_CREDIT_ACCOUNT_ID),
    ("amount", _S.EXISTS_WITH_DIFFERENT_AMOUNT),
    ("user_data_128", _S.EXISTS_WITH_DIFFERENT_USER_DATA_128),
    ("user_data_64", _S.EXISTS_WITH_DIFFERENT_USER_DATA_64),
    ("user_data_32", _S.EXISTS_WITH_DIFFERENT_USER_DATA_32),
    ("ledger", _S.EXISTS_WITH_DIFFERENT_LEDGER),
    ("code", _S.EXISTS_WITH_DIFFERENT_CODE),
)
_ALWAYS_OWN = frozenset({"flags", "pending_id", "timeout"})
_OF_EITHER = frozenset({"debit_account_id", "credit_account_id", "ledger", "code"})


def account_repeats(asked: Account, made: Account) -> AccountStatus:
    """Return how an account differs from the one that has its id."""
    fields = (
        ("flags", AccountStatus.EXISTS_WITH_DIFFERENT_FLAGS),
        ("user_data_128", AccountStatus.EXISTS_WITH_DIFFERENT_USER_DATA_128),
        ("user_data_64", AccountStatus.EXISTS_WITH_DIFFERENT_USER_DATA_64),
        ("user_data_32", AccountStatus.EXISTS_WITH_DIFFERENT_USER_DATA_32),
        ("ledger", AccountStatus.EXISTS_WITH_DIFFERENT_LEDGER),
        ("code", AccountStatus.EXISTS_WITH_DIFFERENT_CODE),
    )
    differing = (status for name, status in fields if getattr(asked, name) != getattr(made, name))
    return next(differing, AccountStatus.EXISTS)


def waits_as(asked: Transfer, proposed: Transfer) -> TransferStatus:
    """Return how a transfer differs from the one of its id that waits for an approval."""
    differing = (s for name, s in _FIELDS if getattr(asked, name) != getattr(proposed, name))
    return next(differing, _S.AWAITING_APPROVAL)


def transfer_repeats(asked: Transfer, made: Transfer, book: Book) -> TransferStatus:
    """Return how a transfer differs from the one that has its id."""
    for name, status in _FIELDS:
        if asked.flags & RESOLVES:
            same = _resolves_alike(name, asked, made, book)
        elif name == "amount" and asked.flags & BALANCES:
            # It is the most that may move: what did move depended on the balances of that moment.
            same = asked.amount >= made.amount
        else:
            same = getattr(asked, name) == getattr(made, name)
        if not same:
            return status
    return _S.EXISTS


def _resolves_alike(name: str, asked: Transfer, made: Transfer, book: Book) -> bool:
    """Whether a field of a posting or voiding transfer says the same, where what is left out counts too."""
    said, is_ = getattr(asked, name), getattr(made, name)
    if name in _ALWAYS_OWN:
        return bool(said == is_)
    if name in _OF_EITHER:
        return not said or bool(said == is_)
    # Flags and pending_id were equal before: the pending transfer is the one that was resolved.
    pending = book.transfers[made.pending_id or ""]
    if name == "amount":
        posts = TransferFlag.POST_PENDING_TRANSFER in asked.flags
        everything = AMOUNT_MAX if posts else 0
        return bool(is_ == (pending.amount if said == everything else said))
    return bool(is_ == (said or getattr(pending, name)))
