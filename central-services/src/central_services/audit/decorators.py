# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Recording what a function does by decorating it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from ..core.errors import ServiceError
from .actions import Action
from .dependencies import RequestAudit
from .events import Outcome
from .log import AuditLog

P = ParamSpec("P")
R = TypeVar("R")


def audited(
    action: str | Action,
    *,
    target: str,
    data: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None,
    subjects: Callable[[Mapping[str, Any]], tuple[str, ...]] | None = None,
) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Awaitable[R]]]:
    """Record an action each time that an async function ends, well or not.

        @audited("order.shipped", target="order:{order_id}")
        async def ship(order_id: UUID, audit: Audit) -> Order: ...

    The function has a parameter, or its object an attribute, called `audit`. An exception is
    recorded as a failure (as denied for a 401 or 403), with its class as the reason, and raised on.

    Args:
        action: A registered action, or its name.
        target: `kind:{argument}`: what is acted on, from the arguments of the call.
        data: Makes the event's data from the arguments of the call.
        subjects: Makes its subjects from them.

    Raises:
        TypeError: For a function that is not async.
    """

    def decorate(function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        name = getattr(function, "__qualname__", repr(function))
        if not inspect.iscoroutinefunction(function):
            raise TypeError(f"{name} is not async: record the event in its caller")
        signature = inspect.signature(function)

        @functools.wraps(function)
        async def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            call = bound.arguments
            audit = _audit_of(call, name)

            async def record(outcome: Outcome, reason: str | None = None) -> None:
                await audit.record(
                    action,
                    target=target.format_map(call),
                    outcome=outcome,
                    reason=reason,
                    data=data(call) if data else None,
                    subjects=subjects(call) if subjects else (),
                )

            try:
                result = await function(*args, **kwargs)
            except Exception as error:  # every failure is an outcome to record; it goes on
                await record(_outcome(error), type(error).__name__)
                raise
            await record(Outcome.SUCCESS)
            return result

        return wrapper

    return decorate


def _outcome(error: Exception) -> Outcome:
    status = error.status if isinstance(error, ServiceError) else getattr(error, "status_code", 0)
    return Outcome.DENIED if status in {401, 403} else Outcome.FAILURE


def _audit_of(call: Mapping[str, Any], name: str) -> AuditLog | RequestAudit:
    """Return what to record with: an argument, or an attribute of the object, called audit."""
    found = call.get("audit") or getattr(call.get("self"), "audit", None)
    if not isinstance(found, AuditLog | RequestAudit):
        raise TypeError(f"{name} has neither a parameter nor an attribute called audit")
    return found
