# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""How readiness checks run: together, once for all who ask, each within its time."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from central_services.api.readiness import HealthRegistry, ReadinessCheck
from central_services.utils.logging import setup_logging


class Clock:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Counter:
    """A check that counts its calls and yields to the others."""

    def __init__(self) -> None:
        self.calls = 0

    async def __call__(self) -> None:
        self.calls += 1
        await asyncio.sleep(0)


class Stubborn:
    """A check that hangs until it is released, and swallows the first cancellation."""

    def __init__(self) -> None:
        self.calls = 0
        self.release = asyncio.Event()

    async def __call__(self) -> None:
        self.calls += 1
        with contextlib.suppress(asyncio.CancelledError):
            await self.release.wait()
        await self.release.wait()


def started(**options: Any) -> HealthRegistry:
    registry = HealthRegistry(**options)
    registry.mark_started()
    return registry


@pytest.fixture
def events() -> Iterator[list[Any]]:
    """What was logged, as mappings."""
    setup_logging("INFO")
    with structlog.testing.capture_logs() as events:
        yield events


@pytest.mark.anyio
async def test_checks_run_at_the_same_time():
    meeting = asyncio.Barrier(3)

    async def check() -> None:
        await meeting.wait()

    registry = started(timeout_s=1)
    for name in ("a", "b", "c"):
        registry.register(name, check)
    assert (await registry.readiness()).status == "ready"


@pytest.mark.anyio
async def test_fifty_probes_at_once_run_each_check_once():
    registry = started(cache_s=0)
    checks = {name: Counter() for name in ("a", "b")}
    for name, check in checks.items():
        registry.register(name, check)
    results = await asyncio.gather(*(registry.readiness() for _ in range(50)))
    assert [check.calls for check in checks.values()] == [1, 1]
    assert {result.status for result in results} == {"ready"}


@pytest.mark.anyio
async def test_result_is_reused_until_it_is_too_old():
    clock, check = Clock(), Counter()
    registry = started(cache_s=5, clock=clock)
    registry.register("a", check)
    await registry.readiness()
    clock.now += 4.9
    await registry.readiness()
    assert check.calls == 1
    clock.now += 0.2
    await registry.readiness()
    assert check.calls == 2


@pytest.mark.anyio
async def test_new_check_is_not_hidden_by_an_earlier_result():
    registry = started(cache_s=60)
    assert (await registry.readiness()).checks == {}
    registry.register("a", Counter())
    assert set((await registry.readiness()).checks) == {"a"}


@pytest.mark.anyio
async def test_check_that_swallows_cancellation_is_given_up_and_not_started_again():
    check = Stubborn()
    registry = started(timeout_s=0.02, cache_s=0)
    registry.register("a", check)
    async with asyncio.timeout(1):
        results = [(await registry.readiness()).checks["a"] for _ in range(3)]
    assert [result.detail for result in results] == ["timeout"] * 3
    assert check.calls == 1
    check.release.set()


@pytest.mark.anyio
async def test_check_that_hung_runs_again_after_it_has_ended():
    check = Stubborn()
    registry = started(timeout_s=0.02, cache_s=0)
    registry.register("a", check)
    assert (await registry.readiness()).status == "not_ready"
    check.release.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert (await registry.readiness()).status == "ready"
    assert check.calls == 2


@pytest.mark.anyio
async def test_caller_that_goes_away_does_not_cancel_the_run_of_the_others():
    release = asyncio.Event()

    async def check() -> None:
        await release.wait()

    registry = started()
    registry.register("a", check)
    first = asyncio.create_task(registry.readiness())
    second = asyncio.create_task(registry.readiness())
    await asyncio.sleep(0)
    first.cancel()
    release.set()
    assert (await second).status == "ready"
    assert first.cancelled()


@pytest.mark.anyio
async def test_shutdown_that_begins_during_a_run_wins():
    release = asyncio.Event()

    async def check() -> None:
        await release.wait()

    registry = started()
    registry.register("a", check)
    probe = asyncio.create_task(registry.readiness())
    await asyncio.sleep(0)
    registry.mark_stopping()
    release.set()
    assert (await probe).status == "stopping"


@pytest.mark.anyio
async def test_log_tells_of_changes_and_not_of_every_probe(events: list[Any]):
    problems: list[Exception] = [ConnectionRefusedError("db.internal"), TimeoutError()]

    async def check() -> None:
        if problems:
            raise problems.pop()

    registry = started(cache_s=0)
    registry.register("a", check)
    for _ in range(4):
        await registry.readiness()
    assert [(event["event"], event["log_level"]) for event in events] == [
        ("health_check_failed", "error"),
        ("health_check_recovered", "info"),
    ]
    assert (events[0]["check"], events[0]["reason"]) == ("a", "timeout")
    assert isinstance(events[0]["exc_info"], TimeoutError)


@pytest.mark.anyio
async def test_failure_of_an_informational_check_is_a_warning(events: list[Any]):
    async def check() -> bool:
        return False

    registry = started()
    registry.register("a", check, critical=False)
    await registry.readiness()
    assert [event["log_level"] for event in events] == ["warning"]


def _caused_by(cause: BaseException) -> Exception:
    error = ValueError("outer")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (TimeoutError(), "timeout"),
        (ConnectionRefusedError(), "refused"),
        (ConnectionResetError(), "unreachable"),
        (socket.gaierror(), "unreachable"),
        (ValueError("secret"), "error"),
        (_caused_by(ConnectionRefusedError()), "refused"),
        (ExceptionGroup("several", [ValueError(), TimeoutError()]), "timeout"),
        (asyncio.CancelledError(), "error"),
    ],
    ids=repr,
)
@pytest.mark.anyio
async def test_failure_has_a_word_that_says_why(error: BaseException, word: str):
    async def check() -> None:
        raise error

    registry = started()
    registry.register("a", check)
    assert (await registry.readiness()).checks["a"].detail == word


@pytest.mark.anyio
async def test_result_takes_name_and_weight_from_the_registration():
    async def check() -> ReadinessCheck:
        return ReadinessCheck("other", True, float("nan"))

    registry = started()
    registry.register("a", check, critical=False)
    result = (await registry.readiness()).checks["a"]
    assert (result.name, result.status, result.critical) == ("a", True, False)
    assert result.latency_ms >= 0


@pytest.mark.anyio
async def test_check_that_returns_something_else_has_failed():
    fine: Any = "fine"

    async def check() -> bool:
        return fine

    registry = started()
    registry.register("a", check)
    assert (await registry.readiness()).checks["a"].detail == "error"


@pytest.mark.anyio
async def test_check_that_is_not_async_has_failed():
    plain: Any = lambda: True  # noqa: E731  # typed so that no type checker objects
    registry = started()
    registry.register("a", plain)
    assert (await registry.readiness()).checks["a"].detail == "error"


@pytest.mark.parametrize("name", ["", "Database", "my db", "1st", "a" * 65])
def test_check_needs_a_plain_name(name: str):
    with pytest.raises(ValueError, match="use snake_case"):
        HealthRegistry().register(name, Counter())


def test_two_checks_of_one_name_are_refused():
    registry = HealthRegistry()
    registry.register("a", Counter())
    with pytest.raises(ValueError, match="rename one"):
        registry.register("a", Counter())


def test_check_needs_a_positive_time():
    with pytest.raises(ValueError, match="more than 0 seconds"):
        HealthRegistry().register("a", Counter(), timeout_s=0)
