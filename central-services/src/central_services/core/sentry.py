# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Error tracking and traces with Sentry; off, and free, without a DSN.

The SDK's own integrations stay off. Its framework integrations cost more than the framework
(565,000 instructions per request against 354,000) and its automatic ones import whatever is
installed. Instead `SentryTracer` is called by the middleware, and log lines come from the logging
pipeline: INFO and WARNING become breadcrumbs, ERROR and above events, from structlog and the
standard library alike. One exception is one event, however often it is logged and re-raised.

Everything that is sent went through the rules of `utils.redaction`. Local variables, request bodies
and, unless `send_default_pii`, users' e-mail and IP addresses are never sent.

While Sentry is off, each function here does nothing.
"""

from __future__ import annotations

import atexit
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Final, Literal, cast

from starlette.types import Scope

from ..utils.logging import observe
from ..utils.redaction import Redactor
from ..utils.taxonomy import event_category
from . import _sentry_scrub as scrubbing
from ._sentry_sampling import Sampling

if TYPE_CHECKING:
    from sentry_sdk.integrations import Integration
    from sentry_sdk.tracing import Transaction
    from sentry_sdk.types import Breadcrumb, BreadcrumbHint, Event, Hint

Level = Literal["debug", "info", "warning", "error", "fatal"]

SHUTDOWN_TIMEOUT_S: Final = 2.0
MAX_TRANSACTIONS_PER_S: Final = 5.0


class _State:
    """What is in force in this process."""

    # The module that talks to the SDK; None while Sentry is off, so that nothing is imported.
    sdk: ModuleType | None = None
    redactor = Redactor(limits=scrubbing.LIMITS)
    keep_personal = False
    sampling: Sampling | None = None
    registered = False


_state = _State()


def init_sentry(
    dsn: str | None = None,
    environment: str | None = None,
    release: str | None = None,
    traces_sample_rate: float = 0.1,
    *,
    integrations: Sequence[Integration] = (),
    redact_keys: Iterable[str] = (),
    send_default_pii: bool = False,
    max_transactions_per_s: float = MAX_TRANSACTIONS_PER_S,
) -> bool:
    """Switch Sentry on, or off when there is no DSN; calling again starts afresh.

    Args:
        dsn: Where events go; without one the SDK is not even imported.
        environment: Shown on every event, such as production.
        release: By default `name@version` of the installed distribution.
        traces_sample_rate: Share of requests recorded as transactions, 0 to 1. A caller's
            `sentry-trace` decision is kept, as the SDK does, unless this is 0.
        integrations: Integrations of the SDK to add, such as `SqlalchemyIntegration()` for a span
            per query where there is a database. None is added by itself.
        redact_keys: More names whose values never leave; see `utils.redaction`.
        send_default_pii: Keep users' e-mail and IP addresses.
        max_transactions_per_s: What this process may spend on transactions; above it the share
            goes down, see `_sentry_sampling`.

    Returns:
        Whether Sentry is on now.

    Raises:
        sentry_sdk.utils.BadDsn: When the DSN is not one.
    """
    redactor = Redactor(redact_keys, limits=scrubbing.LIMITS)
    _state.keep_personal = send_default_pii
    sampling = Sampling(traces_sample_rate, max_transactions_per_s) if traces_sample_rate else None
    return _start(dsn, environment, release, sampling, integrations, redactor)


def _start(
    dsn: str | None,
    environment: str | None,
    release: str | None,
    sampling: Sampling | None,
    integrations: Sequence[Integration],
    redactor: Redactor,
) -> bool:
    """Start the SDK; tests call this with rules that let everything through."""
    close_sentry()
    if not dsn:
        return False
    from . import _sentry_active as active  # noqa: PLC0415  # imports the SDK, 240 ms of CPU

    _state.redactor = redactor
    _state.sampling = sampling
    active.start(
        dsn=dsn,
        environment=environment,
        release=release or default_release(),
        # For transactions that code starts itself; those of requests are decided by the tracer.
        traces_sample_rate=sampling.rate if sampling is not None else None,
        integrations=list(integrations),
        before_send=before_send_hook,
        before_send_transaction=before_send_hook,
        before_breadcrumb=before_breadcrumb_hook,
    )
    _state.sdk = active
    observe(active.observe_log)
    if not _state.registered:
        _state.registered = True
        atexit.register(close_sentry)
    return True


def default_release() -> str:
    """Return `name@version` of the distribution this package was installed from.

    The SDK would run `git rev-parse` instead, in production as well.
    """
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415  # needed with a DSN only

    package = __name__.partition(".")[0]
    try:
        return f"{package.replace('_', '-')}@{version(package)}"
    except PackageNotFoundError:
        return f"{package.replace('_', '-')}@unknown"


def close_sentry(timeout_s: float = SHUTDOWN_TIMEOUT_S) -> None:
    """Send what waits, for at most `timeout_s` seconds, and switch Sentry off."""
    sdk, _state.sdk = _state.sdk, None
    if sdk is not None:
        observe(None)
        sdk.stop(timeout_s)
        _state.redactor = Redactor(limits=scrubbing.LIMITS)
        _state.sampling = None


def before_send_hook(event: Event, hint: Hint) -> Event | None:  # noqa: ARG001  # the SDK passes it
    """Return an event, or a transaction, as it may leave the process."""
    safe = scrubbing.scrub(
        cast("scrubbing.Event", event), _state.redactor, keep_personal=_state.keep_personal
    )
    return cast("Event", safe)


def before_breadcrumb_hook(
    crumb: Breadcrumb,
    hint: BreadcrumbHint,  # noqa: ARG001  # the SDK passes it
) -> Breadcrumb | None:
    """Return a breadcrumb as it may be kept."""
    # The time is compared when breadcrumbs are put in order; it has to stay a time.
    when = crumb.get("timestamp")
    safe = _state.redactor.value({k: v for k, v in crumb.items() if k != "timestamp"})
    return {**cast("Breadcrumb", safe), "timestamp": when}


def capture_message(
    message: str,
    *,
    level: Level = "info",
    category: str = "custom",
    tags: Mapping[str, str] | None = None,
    extra: Mapping[str, object] | None = None,
) -> str | None:
    """Send a message.

    Args:
        message: What happened; the same text for the same thing, since it groups by it.
        level: How bad it is.
        category: One of `EventCategory`; becomes the tag `category`.
        tags: Short values to search by.
        extra: Anything else worth seeing.

    Returns:
        The id of the event, or None when nothing was sent.

    Raises:
        UnknownCategoryError: For a category that is not in the list.
    """
    chosen = {"category": str(event_category(category)), **(tags or {})}
    if _state.sdk is None:
        return None
    return cast("str | None", _state.sdk.message(message, level, chosen, extra or {}))


def capture_exception(error: BaseException) -> str | None:
    """Send an exception that was handled; what was sent before is not sent twice."""
    if _state.sdk is None:
        return None
    return cast("str | None", _state.sdk.exception(error, "generic", handled=True))


def add_breadcrumb(
    message: str,
    category: str = "custom",
    level: Level = "info",
    data: Mapping[str, object] | None = None,
) -> None:
    """Remember a step that will be shown with an error of this request.

    Raises:
        UnknownCategoryError: For a category that is not in `EventCategory`.
    """
    chosen = str(event_category(category))
    if _state.sdk is not None:
        _state.sdk.breadcrumb(message, chosen, level, data or {})


def set_user_context(
    user_id: str | None = None,
    email: str | None = None,
    username: str | None = None,
    **kwargs: object,
) -> None:
    """Say who this request is for; without arguments, nobody.

    The e-mail address is only sent with `send_default_pii`; the id and the user name always.
    """
    if _state.sdk is not None:
        named = {"id": user_id, "email": email, "username": username, **kwargs}
        _state.sdk.user({k: v for k, v in named.items() if v is not None})


@contextmanager
def work_scope(tags: Mapping[str, str]) -> Generator[None]:
    """Give work outside of a request, such as a job, tags, a user and breadcrumbs of its own."""
    if _state.sdk is None:
        yield
        return
    with _state.sdk.work_scope(tags):
        yield


class SentryTracer:
    """Traces requests for the middleware; see `RequestTracer` there. Never raises."""

    def start(self, scope: Scope) -> Transaction | None:
        """Give the request a scope of its own; begin a transaction if it is sampled."""
        sdk = _state.sdk
        if sdk is None:
            return None
        sdk.enter_request(scope)
        sampling = _state.sampling
        if sampling is None:
            return None
        sampled = sampling.draw()
        for name, value in scope["headers"]:
            if name == b"sentry-trace":
                # ...-1 is yes, ...-0 no, and without it the caller leaves it to us.
                decision = value.strip()[-2:]
                sampled = decision == b"-1" or (sampled and decision != b"-0")
                break
        if not sampled or not sampling.afford():
            return None
        return cast("Transaction | None", sdk.begin_transaction(scope, sampling.rate))

    def finish(self, trace: object, scope: Scope, status: int) -> None:
        """Name the transaction by its route and send it; status 0 is no response."""
        if _state.sdk is not None:
            _state.sdk.end_transaction(cast("Transaction", trace), scope, status)

    def capture(self, error: BaseException, scope: Scope) -> None:  # noqa: ARG002  # as in the Protocol
        """Send an exception that nobody handled."""
        if _state.sdk is not None:
            _state.sdk.exception(error, "asgi", handled=False)

    def close(self) -> None:
        """Send what waits, and switch Sentry off."""
        close_sentry()
