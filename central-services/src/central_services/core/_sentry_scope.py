# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""A Sentry scope per request that costs nothing until it is used.

The SDK keeps what belongs to one request (user, tags, breadcrumbs) in an isolation scope. Making
one takes 46,000 instructions, a tenth of a whole request, and most requests never touch it. So each
request gets an empty object of the right class, and the first access to it fills it in. Since the
object is there from the beginning, what a worker thread or a child task sets is seen by all.

This module imports the SDK: import it inside functions, when Sentry is on.
"""

from __future__ import annotations

import threading
from copy import copy
from typing import Any, cast

from sentry_sdk.scope import Scope, ScopeType
from starlette.types import Scope as AsgiScope

from ..utils.redaction import DEFAULT_REDACTOR

_SLOTS = frozenset(Scope.__slots__)
_filling = threading.RLock()


class RequestScope(Scope):
    """An isolation scope whose slots are filled on first use.

    Attributes:
        asgi: The request, for what an event tells about it; None in copies that outlive it.
    """

    __slots__ = ("asgi",)

    asgi: AsgiScope | None

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # the slots hold what the SDK likes
        """Fill in the slots; Python asks here only while a slot is empty."""
        if name not in _SLOTS:
            if name == "asgi":
                return None
            raise AttributeError(name)
        with _filling:
            full = _fresh()
            for slot in _SLOTS:
                try:
                    object.__getattribute__(self, slot)
                except AttributeError:
                    setattr(self, slot, getattr(full, slot))
        asgi = self.asgi
        if asgi is not None:
            self.generate_propagation_context(trace_headers(asgi))
        return getattr(self, name)

    def __copy__(self) -> RequestScope:
        """Return a copy for a nested scope of the same request."""
        copied = cast("RequestScope", super().__copy__())
        copied.asgi = self.asgi
        return copied


class _Base:
    """Where tags that were set at start-up are: the scope that was in force then."""

    scope: Scope | None = None


def remember_base() -> None:
    """Let requests inherit the tags, contexts and extras of the scope in force now."""
    base = Scope.get_isolation_scope()
    _Base.scope = None if isinstance(base, RequestScope) else base


def _fresh() -> Scope:
    if _Base.scope is None:
        return Scope(ty=ScopeType.ISOLATION)
    # Never the user or the breadcrumbs: those belong to whoever set them.
    scope = copy(_Base.scope)
    scope.clear_breadcrumbs()
    scope._user = None  # noqa: SLF001  # set_user() would ask the scope filled here
    scope.set_new_propagation_context()
    return scope


def enter_request(asgi: AsgiScope) -> None:
    """Give the request its own scopes, empty ones."""
    scope = RequestScope.__new__(RequestScope)
    scope.asgi = asgi
    Scope.set_isolation_scope(scope)
    # The SDK makes a current scope when there is none.
    Scope.set_current_scope(cast("Scope", None))


def trace_headers(asgi: AsgiScope) -> dict[str, str]:
    """Return the headers that continue a trace; W3C's is written the way the SDK reads it."""
    found: dict[str, str] = {}
    for name, value in asgi["headers"]:
        if name in {b"sentry-trace", b"baggage", b"traceparent"}:
            found[name.decode()] = value.decode("latin-1")
    # Baggage travels in the envelope's header, where no hook sees it.
    if DEFAULT_REDACTOR.text(found.get("baggage", "")) != found.get("baggage", ""):
        del found["baggage"]
    parts = found.pop("traceparent", "").split("-")
    if len(parts) == 4 and "sentry-trace" not in found:
        # The flag is left out: the caller's sampling is another system's.
        found["sentry-trace"] = f"{parts[1]}-{parts[2]}"
    return found
