# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What is known about a request while it is served: its id, its log line, its trace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from starlette.types import ASGIApp, Scope

from .client_address import ClientAddresses
from .edge import Policies, SecurityEdge


class RequestTracer(Protocol):
    """Records requests and errors somewhere else; must never raise, whatever happens there."""

    def start(self, scope: Scope) -> object | None:
        """Begin a trace; None when this request is not sampled, which has to be nearly free."""
        ...

    def finish(self, trace: object, scope: Scope, status: int) -> None:
        """End a trace, named by the route that served it (`scope["route"]`); 0 is no response."""
        ...

    def capture(self, error: BaseException, scope: Scope) -> None:
        """Report an exception that nobody handled."""
        ...


class RequestContextMiddleware(SecurityEdge):
    """Give requests an id, write the access log, answer unhandled exceptions with a 500 problem.

    An incoming `X-Request-ID` is used when it is 1 to 64 plain characters; the response names the
    id in any case. The logger and every error document show it, because it is in
    `utils.context.current_request` while the request is served.

    Args:
        app: The application inside.
        tracer: Told about requests and unhandled exceptions.
        trusted_proxies: Networks of the proxies that may name the client.
        debug: Show the exception and its traceback in a 500.

    Raises:
        ValueError: For a proxy that is no network.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        tracer: RequestTracer | None = None,
        trusted_proxies: Sequence[str] = (),
        debug: bool = False,
    ) -> None:
        addresses = ClientAddresses(trusted_proxies)
        super().__init__(
            app, Policies(context=True, tracer=tracer, addresses=addresses, debug=debug)
        )
