# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The audit log for endpoints: `async def ship(order_id: UUID, audit: Audit) -> ...`."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import Depends, Request

from .actions import Action
from .events import Actor, AuditEvent, Outcome, Target
from .log import AuditLog

if TYPE_CHECKING:
    from pydantic import BaseModel


class RequestAudit:
    """An audit log that knows the request: who calls, from which address.

    Whatever authenticates callers puts an `Actor` on `request.state.actor`; without one the
    actor is anonymous. The request's and the trace's id are on every event anyway.
    """

    def __init__(self, log: AuditLog, request: Request, session: object | None = None) -> None:
        self.log = log
        self._request = request
        self._session = session

    def within(self, session: object) -> RequestAudit:
        """Return the same, recording in a transaction."""
        return RequestAudit(self.log, self._request, session)

    @property
    def actor(self) -> Actor:
        """Who calls."""
        scope = self._request.scope  # its attributes are slow: an absent one is an exception
        actor = scope.get("state", {}).get("actor")
        client = scope.get("client")
        address = client[0] if client else None
        if not isinstance(actor, Actor):
            return Actor("anonymous", address=address)
        return actor if actor.address or not address else replace(actor, address=address)

    def record(
        self,
        action: str | Action,
        *,
        target: Target | str,
        outcome: Outcome | Literal["success", "failure", "denied"] = Outcome.SUCCESS,
        reason: str | None = None,
        actor: Actor | None = None,
        before: Mapping[str, Any] | BaseModel | None = None,
        after: Mapping[str, Any] | BaseModel | None = None,
        subjects: Sequence[str] = (),
        data: Mapping[str, Any] | BaseModel | None = None,
        idempotency_key: str = "",
    ) -> Awaitable[AuditEvent]:
        """Record an event of this request; see `AuditLog.record`."""
        return self.log.record(
            action,
            target=target,
            outcome=outcome,
            reason=reason,
            actor=actor or self.actor,
            before=before,
            after=after,
            subjects=subjects,
            data=data,
            idempotency_key=idempotency_key,
            session=self._session,
        )


def request_audit(request: Request) -> RequestAudit:
    """Return the audit log for a request.

    Raises:
        RuntimeError: When the application was not started.
    """
    log = getattr(request.app.state, "audit", None)
    if not isinstance(log, AuditLog):
        msg = "the application has no audit log: it was not started, or not made by build_app"
        raise RuntimeError(msg)  # noqa: TRY004  # nobody passed a wrong type
    return RequestAudit(log, request)


async def _get_audit(request: Request) -> RequestAudit:
    return request_audit(request)


Audit = Annotated[RequestAudit, Depends(_get_audit)]
"""The audit log, for a parameter of an endpoint."""
