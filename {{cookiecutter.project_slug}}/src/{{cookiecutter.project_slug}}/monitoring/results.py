# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What is recorded of a run: its name, what was found, or why nothing was."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..clients.errors import (
    BlockedAddressError,
    CallTimeoutError,
    CircuitOpenError,
    ConnectionFailedError,
)
from .canonical import canonical_hash
from .errors import CheckError, TransientCheckError
from .schemas import Outcome

if TYPE_CHECKING:
    from .checks.base import CheckResult

_MAX_FACTS = 16_384
_MAX_ROWS = 200
_TRANSIENT_CALLS = (CallTimeoutError, CircuitOpenError, ConnectionFailedError)


def run_id_of(task_id: str, scheduled_for: datetime) -> str:
    """Return the name of a run that is due at some time, the same in every process."""
    return f"monitoring-{task_id}-{scheduled_for:%Y%m%dT%H%M%SZ}"


def is_transient(error: Exception) -> bool:
    """Whether what a check raised may not come again in a moment."""
    if isinstance(error, BlockedAddressError):
        return False
    return isinstance(error, (TransientCheckError, *_TRANSIENT_CALLS))


def failure(reason: str) -> dict[str, Any]:
    """Return what is recorded of a check that could not find out."""
    return {"outcome": Outcome.ERROR, "summary": " ".join(reason.split())[:500]}


def findings(result: CheckResult) -> dict[str, Any]:
    """Return what is recorded of a result.

    Raises:
        CheckError: When it holds something that can't be compared.
    """
    facts: Any = {"ok": result.ok, "facts": result.facts}
    if result.facts is None:
        facts = {"ok": result.ok, "summary": result.summary}
    try:
        digest = canonical_hash(facts)
        shown = json.loads(json.dumps(result.facts, default=str))
    except (TypeError, ValueError) as error:
        raise CheckError(f"the check's facts can't be compared: {error}") from error
    if len(json.dumps(shown)) > _MAX_FACTS:
        shown = {"left_out": "the facts are too large to keep"}
    return {
        "outcome": Outcome.OK if result.ok else Outcome.ALERT,
        "summary": " ".join(result.summary.split())[:500],
        "facts": shown,
        "rows": tuple(result.rows[:_MAX_ROWS]),
        "hash": digest,
    }
