# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Readiness checks: run at once, each within its time, for all who ask together.

A check is an async function that returns True, None or a `ReadinessCheck`, and False or an
exception when something is wrong. It must not block the event loop.
"""

import asyncio
import contextvars
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import KW_ONLY, dataclass
from typing import Literal, NamedTuple, TypeAlias, get_args

from pydantic import BaseModel, Field

from ..clients.errors import (
    BlockedAddressError,
    CallTimeoutError,
    ConnectionFailedError,
    HttpClientError,
    InvalidUrlError,
)
from ..utils._lazy_pattern import LazyPattern
from ..utils.logging import get_logger

Reason = Literal[
    "timeout", "refused", "unreachable", "forbidden", "unhealthy", "not_configured", "error"
]
"""Why a check failed. A closed set, so that no exception text reaches a caller."""

_REASONS = frozenset(get_args(Reason))
_REASON_OF: tuple[tuple[tuple[type[BaseException], ...], Reason], ...] = (
    ((BlockedAddressError,), "forbidden"),
    ((TimeoutError, CallTimeoutError), "timeout"),
    ((ConnectionRefusedError,), "refused"),
    ((ConnectionError, socket.gaierror, ConnectionFailedError), "unreachable"),
    ((InvalidUrlError,), "error"),
    ((HttpClientError,), "unhealthy"),  # it answered, but not as it should
)
_NAME = LazyPattern(r"[a-z][a-z0-9_]{0,63}")

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ReadinessCheck:
    """What a readiness check found.

    Attributes:
        name: What was checked.
        status: Whether it works.
        latency_ms: How long that took to find out, in milliseconds.
        critical: Whether the service can't do without it.
        detail: Why it failed.
    """

    name: str
    status: bool
    latency_ms: float
    _: KW_ONLY
    critical: bool = True
    detail: Reason | None = None


@dataclass(frozen=True, slots=True)
class FailedCheck(ReadinessCheck):
    """A failed check that brings what it caught along, for the log alone."""

    _: KW_ONLY
    error: BaseException | None = None


Found: TypeAlias = ReadinessCheck | bool | None
"""What a check returns."""

CheckFunction: TypeAlias = Callable[[], Awaitable[Found]]


class HealthCheck(NamedTuple):
    """A readiness check as a project declares it.

    Attributes:
        name: A snake_case name; everybody who can call the probe sees it.
        check: The async function to call.
        critical: Whether the service leaves the load balancer when it fails; if not, its failure
            is only reported.
        timeout_s: Seconds it may take; None means `HEALTH__CHECK_TIMEOUT_S`.
    """

    name: str
    check: CheckFunction
    critical: bool = True
    timeout_s: float | None = None


class ReadinessStatus(BaseModel, frozen=True, defer_build=True):
    """The answer of the readiness probe."""

    status: Literal["ready", "degraded", "not_ready", "starting", "stopping"] = Field(
        description="ready and degraded are served with 200, the others with 503."
    )
    checks: dict[str, ReadinessCheck] = Field(description="Each check's result, by name.")
    failed: list[str] = Field(description="Critical checks that fail: the service can't serve.")
    degraded: list[str] = Field(description="Other checks that fail: it serves all the same.")

    @property
    def ready(self) -> bool:
        """Whether requests should be sent here."""
        return self.status in {"ready", "degraded"}


class HealthRegistry:
    """The checks of one application, and what its probes answer.

    Every check runs in a task of its own and is given up after its time, whether or not it lets
    itself be cancelled. One that hangs is not started again before it has ended, so that a dead
    dependency costs one task, not one per probe. Probes that come together share one run, and the
    result is reused for `cache_s`.
    """

    def __init__(
        self,
        *,
        timeout_s: float = 2.0,
        cache_s: float = 1.0,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Make a registry without checks.

        Args:
            timeout_s: Seconds each check may take, unless it has its own limit.
            cache_s: Seconds that a result is reused; 0 runs the checks for each probe.
            clock: Seconds on a clock that only goes forward.
        """
        self._timeout_s = timeout_s
        self._cache_s = cache_s
        self._clock = clock
        self._checks: dict[str, HealthCheck] = {}
        self._state: Literal["starting", "started", "stopping"] = "starting"
        self._run: asyncio.Task[ReadinessStatus] | None = None
        self._last: ReadinessStatus | None = None
        self._last_until = 0.0
        self._abandoned: dict[str, tuple[asyncio.Task[Found], float]] = {}
        self._failing: set[str] = set()

    def register(
        self,
        name: str,
        check: CheckFunction,
        *,
        critical: bool = True,
        timeout_s: float | None = None,
    ) -> None:
        """Add a check; arguments as for `HealthCheck`.

        Raises:
            ValueError: When the name is taken or not snake_case, or the time is not positive.
        """
        if not _NAME.compiled.fullmatch(name):
            msg = f"{name!r} can't name a health check: use snake_case, at most 64 characters"
            raise ValueError(msg)
        if name in self._checks:
            msg = f"there are two health checks named {name!r}: rename one"
            raise ValueError(msg)
        if timeout_s is not None and timeout_s <= 0:
            msg = f"health check {name!r} has timeout_s={timeout_s}: use more than 0 seconds"
            raise ValueError(msg)
        self._checks[name] = HealthCheck(name, check, critical, timeout_s)
        self._last = None

    def mark_started(self) -> None:
        """Say that start-up is complete: from now on the checks decide."""
        self._state, self._last = "started", None
        # Tasks of an earlier start, if there was one, belong to an event loop that is gone.
        self._run = None
        self._abandoned.clear()

    def mark_stopping(self) -> None:
        """Say that shutdown has begun: readiness fails, so that load balancers look elsewhere."""
        self._state = "stopping"

    @property
    def started(self) -> bool:
        """Whether start-up is complete; stays true during shutdown."""
        return self._state != "starting"

    async def readiness(self) -> ReadinessStatus:
        """Return whether requests should be sent here, in the time of the slowest check at most."""
        if self._state != "started":
            return self._out_of_service()
        if self._last is not None and self._clock() < self._last_until:
            return self._last
        if self._run is None or self._run.done():
            # Nobody's request owns the run: a caller that goes away must not cancel it for the
            # others, and its log lines must not bear the id of whoever came first.
            self._run = asyncio.create_task(self._run_checks(), context=contextvars.Context())
        outcome = await asyncio.shield(self._run)
        # The shutdown may have begun in the meantime.
        return outcome if self._state == "started" else self._out_of_service()

    def _out_of_service(self) -> ReadinessStatus:
        state: Literal["starting", "stopping"]
        state = "stopping" if self._state == "stopping" else "starting"
        return ReadinessStatus(status=state, checks={}, failed=[], degraded=[])

    async def _run_checks(self) -> ReadinessStatus:
        """Run every check at once and keep the outcome."""
        checks = list(self._checks.values())
        results = await asyncio.gather(*(self._run_check(check) for check in checks))
        failed = [r.name for r in results if not r.status and r.critical]
        degraded = [r.name for r in results if not r.status and not r.critical]
        outcome = ReadinessStatus(
            status="not_ready" if failed else "degraded" if degraded else "ready",
            checks={result.name: result for result in results},
            failed=failed,
            degraded=degraded,
        )
        if len(checks) == len(self._checks):
            self._last, self._last_until = outcome, self._clock() + self._cache_s
        return outcome

    async def _run_check(self, check: HealthCheck) -> ReadinessCheck:
        """Return what a check found, or that it took too long."""
        began = self._clock()
        detail: Reason | None
        error: BaseException | None = None
        if check.name in self._abandoned:
            began, detail = self._abandoned[check.name][1], "timeout"
        else:
            task = asyncio.create_task(_call(check.check), name=f"health check {check.name}")
            limit = self._timeout_s if check.timeout_s is None else check.timeout_s
            # Not asyncio.timeout: it waits for as long as the task resists its cancellation.
            done, _ = await asyncio.wait({task}, timeout=limit)
            if done:
                detail, error = _outcome(task)
            else:
                detail = "timeout"
                self._abandon(check.name, task, began)
        result = ReadinessCheck(
            name=check.name,
            status=detail is None,
            latency_ms=_elapsed_ms(began, self._clock()),
            critical=check.critical,
            detail=detail,
        )
        self._log_change(result, error)
        return result

    def _abandon(self, name: str, task: asyncio.Task[Found], began: float) -> None:
        """Cancel a check that takes too long, and remember it until it has ended."""

        def ended(task: asyncio.Task[Found]) -> None:
            self._abandoned.pop(name, None)
            if not task.cancelled():
                task.exception()  # marks it as seen; too late to matter

        self._abandoned[name] = (task, began)
        task.add_done_callback(ended)
        task.cancel()

    def _log_change(self, result: ReadinessCheck, error: BaseException | None) -> None:
        """Write a line when a check begins to fail or recovers, not for every probe."""
        was_failing = result.name in self._failing
        if result.status and was_failing:
            self._failing.discard(result.name)
            _log.info("health_check_recovered", check=result.name, latency_ms=result.latency_ms)
        elif not result.status and not was_failing:
            self._failing.add(result.name)
            write = _log.error if result.critical else _log.warning
            write(
                "health_check_failed",
                check=result.name,
                critical=result.critical,
                reason=result.detail,
                latency_ms=result.latency_ms,
                exc_info=error,
            )


async def _call(check: CheckFunction) -> Found:
    """Call a check inside its task, where whatever it raises is caught."""
    return await check()


def _outcome(
    task: asyncio.Task[Found],
) -> tuple[Reason | None, BaseException | None]:
    """Return why a finished check failed, None when it did not, and what it raised."""
    if task.cancelled():
        return "error", asyncio.CancelledError("the check cancelled itself")
    error = task.exception()
    if error is not None:
        return reason_of(error), error
    found = task.result()
    if found is None or found is True:
        return None, None
    if found is False:
        return "unhealthy", None
    if not isinstance(found, ReadinessCheck):
        msg = f"a check returns True, False, None or a ReadinessCheck, not {type(found).__name__}"
        return "error", TypeError(msg)
    if found.status:
        return None, None
    # What a project wrote there by mistake (an exception's text, say) stays inside.
    known = found.detail is not None and found.detail in _REASONS
    error = found.error if isinstance(found, FailedCheck) else None
    return found.detail if known else "unhealthy", error


def reason_of(error: BaseException) -> Reason:
    """Return the word that says why a check failed, from the error and from what caused it."""
    causes = list(_causes(error))
    for kinds, reason in _REASON_OF:
        if any(isinstance(cause, kinds) for cause in causes):
            return reason
    return "error"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it was raised from, group members included, the outermost first."""
    queue, seen = [error], set[int]()
    while queue:
        current = queue.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        if isinstance(current, BaseExceptionGroup):
            queue.extend(current.exceptions)
        queue.extend(e for e in (current.__cause__, current.__context__) if e is not None)


def _elapsed_ms(began: float, ended: float) -> float:
    return round(max(0.0, ended - began) * 1000, 2)
