"""CPU of a log event in the rendered project, redaction and request context on.

Against structlog's documented set-up for one pipeline with the standard library
(`ProcessorFormatter`), which redacts nothing. Both run in one process, round by round in turn, on a
running event loop, and write JSON to the null device. A figure is the lower quartile of its rounds,
because other processes share the machine; the ratio is the median over rounds.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from rows import Row
from services import package_of, run_part

PER_ROUND = 640


def measure(project: Path, *, quick: bool) -> list[Row]:
    """Return microseconds per event, per filtered event and per request line, and the ratio.

    Args:
        project: A rendered project, installed or not.
        quick: Fewer rounds, for a first signal.
    """
    found = run_part(project, __file__, package_of(project), 20 if quick else 120)
    return [
        Row("log event, JSON, redaction on", found["event"], "us", 5.0, "at most 5 us"),
        Row("log event below the level", found["filtered"], "us", 0.3, "at most 0.3 us"),
        Row("access log line", found["request"], "us", 5.0, "at most 5 us"),
        Row(
            "log event / structlog with ProcessorFormatter",
            found["ratio"],
            "x",
            0.2,
            "at most 0.2",
        ),
    ]


def _null(buffering: int = -1) -> TextIO:
    """Return the null device, open for as long as the process runs."""
    return Path(os.devnull).open("w", buffering)


def _peer() -> Callable[[], object]:
    """Return one event through structlog's ProcessorFormatter, set up as its manual shows."""
    structlog = importlib.import_module("structlog")
    stdlib, processors = structlog.stdlib, structlog.processors
    shared = [
        structlog.contextvars.merge_contextvars,
        stdlib.add_logger_name,
        stdlib.add_log_level,
        stdlib.PositionalArgumentsFormatter(),
        processors.TimeStamper(fmt="iso"),
        processors.StackInfoRenderer(),
    ]
    formatter = stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            stdlib.ProcessorFormatter.remove_processors_meta,
            processors.format_exc_info,
            processors.JSONRenderer(),
        ],
    )
    handler = logging.StreamHandler(_null(buffering=1))
    handler.setFormatter(formatter)
    classic = logging.getLogger("peer")
    classic.addHandler(handler)
    classic.propagate = False
    log = structlog.wrap_logger(
        classic,
        processors=[
            stdlib.filter_by_level,
            *shared,
            stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return lambda: log.info(
        "http_request",
        method="GET",
        path="/items/42",
        status=200,
        duration_ms=1.234,
        user_id="u_12345",
        request_id="0123456789abcdef00000001",
        trace_id="a" * 32,
    )


def _ours(package: str) -> dict[str, Callable[[], object]]:
    ours = importlib.import_module(f"{package}.utils.logging")
    context = importlib.import_module(f"{package}.utils.context")
    ours.setup_logging(json_logs=True, stream=_null())
    context.current_request.set(
        context.RequestContext("0123456789abcdef00000001", "a" * 32, "b" * 16)
    )
    log = ours.get_logger("app")
    return {
        "event": lambda: log.info(
            "http_request",
            method="GET",
            path="/items/42",
            status=200,
            duration_ms=1.234,
            user_id="u_12345",
        ),
        "filtered": lambda: log.debug("cache_lookup", key="abc", hit=True),
        "request": lambda: ours.log_request(
            method="GET", path="/items/42", status=200, duration_ms=1.234, client="192.0.2.10"
        ),
    }


def _microseconds(call: Callable[[], object], times: int) -> float:
    begun = time.process_time_ns()
    for _ in range(times):
        call()
    return (time.process_time_ns() - begun) / times / 1_000


async def _compare(package: str, rounds: int) -> dict[str, float]:
    calls = _ours(package)
    calls["peer"] = _peer()
    figures: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 2):
        for name, call in calls.items():
            spent = _microseconds(call, PER_ROUND // 4 if name == "peer" else PER_ROUND)
            if number >= 2:
                figures[name].append(spent)
            # Lets the timer of the buffered writer run, as it does between requests.
            await asyncio.sleep(0.011)
    found = {name: statistics.quantiles(values)[0] for name, values in figures.items()}
    pairs = zip(figures["event"], figures["peer"], strict=True)
    found["ratio"] = statistics.median(own / peer for own, peer in pairs)
    return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_compare(sys.argv[1], int(sys.argv[2])))))
