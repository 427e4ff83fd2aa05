"""When one person is not enough."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .book import Transfer
from .results import RESOLVES

PERMISSION = "ledger:write"
"""The policy of what needs nobody else: the permission that the actor's token carries."""


@dataclass(frozen=True, slots=True)
class FourEyes:
    """Amounts above which a second person has to approve.

    Attributes:
        above: Minor units by currency; one that is missing has no such amount.
        valid_s: Seconds that a proposal can be approved.
    """

    above: Mapping[str, int]
    valid_s: float

    def is_needed(self, chain: Sequence[Transfer]) -> bool:
        """Whether a chain moves so much that somebody has to approve.

        What a chain moves in a currency counts together, so that no chain is a way around. Posting and
        voiding count nothing: what they release was judged when it was reserved.
        """
        return bool(self._exceeded(chain))

    def name(self, chain: Sequence[Transfer]) -> str:
        """Return the policy that a chain came under."""
        exceeded = self._exceeded(chain)
        return "+".join(f"four-eyes:{currency}:{self.above[currency]}" for currency in exceeded)

    def _exceeded(self, chain: Sequence[Transfer]) -> list[str]:
        moved: Counter[str] = Counter()
        for transfer in chain:
            if not transfer.flags & RESOLVES:
                moved[transfer.ledger] += transfer.amount
        return sorted(
            currency
            for currency, amount in moved.items()
            if currency in self.above and amount > self.above[currency]
        )


def policy_of(transfer: Transfer) -> str:
    """Return the policy that allows a transfer which nobody else had to approve."""
    return f"pending-transfer:{transfer.pending_id}" if transfer.pending_id else PERMISSION
