# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What a log line holds, whichever logger it came from, and when it is written."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from central_services.utils.context import RequestContext, current_request
from central_services.utils.logging import (
    LogEvent,
    flush,
    get_logger,
    log_performance,
    log_request,
    observe,
    setup_logging,
)
from central_services.utils.redaction import CLIPPED, REDACTED

# Made at import, before anything is set up, as modules do.
early = get_logger("early")

CLASSIC = logging.getLogger("library.child")


pytestmark = pytest.mark.usefixtures("restored")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def record(message: object, *args: object) -> None:
    """Log past pytest's own handler, which raises what it can't format."""
    (handler,) = (h for h in logging.root.handlers if type(h).__name__ == "PipelineHandler")
    content = {"name": "x", "levelno": 20, "msg": message, "args": args}
    handler.handle(logging.makeLogRecord(content))


def test_line_says_when_what_where_and_how_severe(lines: Any) -> None:
    get_logger("orders").warning("stock_low", sku="A-1", left=2)
    line = lines.one()
    stamp = line.pop("timestamp")
    assert line == {
        "level": "warning",
        "event": "stock_low",
        "logger": "orders",
        "sku": "A-1",
        "left": 2,
    }
    assert len(stamp) == len("2026-01-02T03:04:05.678Z")
    assert stamp.endswith("Z")


def test_leaving_out_the_timestamp_changes_nothing_else(lines: Any) -> None:
    early.info("order_placed", order=7, timestamp="mine")
    with_stamp = lines.one()
    setup_logging(json_logs=True, include_timestamp=False, stream=lines)
    early.info("order_placed", order=7)
    assert with_stamp.pop("timestamp") != "mine"
    assert lines.all()[1] == with_stamp


def test_logger_made_at_import_follows_the_configuration(lines: Any) -> None:
    early.info("seen")
    early.debug("not_seen")
    setup_logging("ERROR", json_logs=True, stream=lines)
    early.info("not_seen")
    early.bind(user="ann").error("seen_too")
    assert [line["event"] for line in lines.all()] == ["seen", "seen_too"]


def test_setting_up_twice_writes_once(lines: Any) -> None:
    setup_logging(json_logs=True, stream=lines)
    early.info("a")
    CLASSIC.info("b")
    assert [line["event"] for line in lines.all()] == ["a", "b"]


def test_unknown_level_is_refused_with_those_that_exist() -> None:
    with pytest.raises(ValueError, match=r"'LOUD': use one of DEBUG, INFO, WARNING"):
        setup_logging("LOUD")


def test_standard_library_goes_the_same_way(lines: Any) -> None:
    CLASSIC.warning("retry %d of %s", 2, "upload", extra={"bucket": "b", "api_key": "k"})
    line = lines.one()
    assert line["event"] == "retry 2 of upload"
    assert (line["level"], line["logger"]) == ("warning", "library.child")
    assert (line["bucket"], line["api_key"]) == ("b", REDACTED)
    assert not {"args", "msg", "levelno", "taskName"} & line.keys()


def test_secrets_of_standard_library_lines_are_hidden(lines: Any) -> None:
    CLASSIC.info("a %s", {"password": "hunter2"})
    CLASSIC.info("b %s %s", {"token": "hunter2"}, "password=hunter2")
    CLASSIC.info("c %(password)s", {"password": "hunter2"})
    record("d %d", "not a number, token=hunter2")
    assert lines.all()[-1]["event"] == f"d %d ['not a number, token={REDACTED}']"
    assert "hunter2" not in lines.getvalue()


def test_structlogs_own_loggers_go_the_same_way(lines: Any) -> None:
    structlog.get_logger("theirs").info("event", password="p")
    structlog.stdlib.get_logger("older").warning("event_too")
    structlog.wrap_logger(None, wrapper_class=structlog.BoundLogger).error("generic", token="t")
    first, second, third = lines.all()
    assert (first["logger"], first["password"]) == ("theirs", REDACTED)
    assert second["event"] == "event_too"
    assert (third["event"], third["token"]) == ("generic", REDACTED)


def test_capture_logs_of_structlog_works(lines: Any) -> None:
    with structlog.testing.capture_logs() as captured:
        early.info("seen", order=1)
    assert captured == [{"event": "seen", "order": 1, "log_level": "info"}]
    assert lines.all() == []


def test_request_and_trace_ids_and_bound_values_are_on_each_line(lines: Any) -> None:
    token = current_request.set(RequestContext("request-1", "a" * 32, "b" * 16))
    structlog.contextvars.bind_contextvars(tenant="t1", api_key="k")
    try:
        early.info("ours")
        CLASSIC.info("theirs")
    finally:
        current_request.reset(token)
        structlog.contextvars.unbind_contextvars("tenant", "api_key")
    early.info("outside")
    ours, theirs, outside = lines.all()
    for line in (ours, theirs):
        assert line["request_id"] == "request-1"
        assert (line["trace_id"], line["span_id"]) == ("a" * 32, "b" * 16)
        assert (line["tenant"], line["api_key"]) == ("t1", REDACTED)
    assert not {"request_id", "trace_id", "tenant"} & outside.keys()


def test_fields_cannot_replace_what_the_line_says_about_itself(lines: Any) -> None:
    CLASSIC.warning("real", extra={"event": "fake", "level": "debug", "timestamp": "never"})
    line = lines.one()
    assert (line["event"], line["level"]) == ("real", "warning")
    assert line["timestamp"] != "never"


def test_bound_values_and_positional_arguments(lines: Any) -> None:
    log = early.bind(user="ann", password="p").bind(order=1)
    log.info("placed %s by %s", 1, "ann")
    log.unbind("order").log(logging.ERROR, "logged")
    first, second = lines.all()
    assert (first["event"], first["user"]) == ("placed 1 by ann", "ann")
    assert first["password"] == REDACTED
    assert second["level"] == "error"
    assert "order" not in second


@pytest.mark.anyio
async def test_async_methods_log_as_well(lines: Any) -> None:
    await structlog.get_logger("a").ainfo("seen", order=1)
    await structlog.get_logger("a").adebug("not_seen")
    assert lines.one()["order"] == 1


def fail() -> None:
    secret = "local-canary"  # a local variable that must not be written
    try:
        {}["token=hunter2"]
    except KeyError as error:
        message = f"cannot, password=hunter2 {len(secret)}\nsecond line"
        raise ValueError(message) from error


def test_exception_is_data_without_locals_or_secrets(lines: Any) -> None:
    try:
        fail()
    except ValueError as error:
        error.add_note("api_key=hunter2")
        early.exception("failed", order=1)
        CLASSIC.exception("failed")
    for line in lines.all():
        document = line["exception"]
        assert (document["type"], document["module"]) == ("ValueError", "builtins")
        assert document["message"] == f"cannot, password={REDACTED} 12\nsecond line"
        assert document["notes"] == [f"api_key={REDACTED}"]
        assert document["frames"][-1]["function"] == "fail"
        assert {"file", "line", "function"} == document["frames"][-1].keys()
        assert document["cause"]["type"] == "KeyError"
    assert "local-canary" not in lines.getvalue()
    assert "hunter2" not in lines.getvalue()


def test_exception_groups_chains_and_recursion_are_bounded(lines: Any) -> None:
    def deeper(left: int) -> None:
        if left:
            deeper(left - 1)
        raise ExceptionGroup("many", [ValueError(str(n)) for n in range(50)])

    try:
        deeper(200)
    except ExceptionGroup as group:
        group.__cause__ = group  # a chain that bites its tail
        early.error("failed", exc_info=group)
    document = lines.one()["exception"]
    assert len(document["exceptions"]) == 8
    assert document["more_exceptions"] == 42
    assert len(document["frames"]) < 50
    assert any("left_out" in frame for frame in document["frames"])
    assert "cause" not in document


def test_stack_of_the_caller_can_be_asked_for(lines: Any) -> None:
    early.info("here", stack_info=True)
    CLASSIC.info("here", stack_info=True)
    ours, theirs = lines.all()
    assert ours["stack"][-1]["function"].endswith("can_be_asked_for")
    assert any("can_be_asked_for" in part for part in theirs["stack"])


# Small on purpose: what breaks lines and terminals, and a little of what doesn't.
HOSTILE = "aZ 0é😀=:%\"'\\{}\n\r\t\0\x1b\x7f\x85\x9b\u2028\u2029\u202e\ufeff\ud800"
SHORT = st.text(HOSTILE, max_size=20)
CALLS = st.lists(st.tuples(SHORT, SHORT, st.dictionaries(SHORT, SHORT, max_size=2)), min_size=5)


@pytest.mark.parametrize("json_logs", [True, False])
@given(calls=CALLS)
@settings(max_examples=12)
def test_no_text_breaks_a_line(
    json_logs: bool, calls: list[tuple[str, str, dict[str, str]]]
) -> None:
    stream = io.StringIO()
    setup_logging(json_logs=json_logs, stream=stream)
    for event, value, extra in calls:
        fields = {f"k{key}": content for key, content in extra.items()}
        early.info(event, value=value, extra=extra, **fields)
    flush()
    written = stream.getvalue()
    assert len(written.splitlines()) == written.count("\n") == len(calls)
    assert "\x1b" not in written
    if json_logs:
        assert [json.loads(line)["level"] for line in written.splitlines()] == ["info"] * len(calls)


@pytest.mark.parametrize("json_logs", [True, False])
def test_what_a_terminal_obeys_is_escaped(json_logs: bool) -> None:
    stream = io.StringIO()
    setup_logging(json_logs=json_logs, stream=stream)
    hostile = "a\nb\rc\x1b[31md\x85e\u2028f\x9bg\u202eh\ud800"
    early.info(hostile, value=hostile, nested=[hostile])
    CLASSIC.error(hostile, exc_info=ValueError(hostile))
    flush()
    assert not set("\r\x1b\x85\u2028\x9b\u202e\ud800") & set(stream.getvalue())


def test_long_values_are_clipped(lines: Any) -> None:
    early.info("e" * 5_000, client="x" * 5_000)
    early.info("wide", **{f"field_{number}": "y" * 5_000 for number in range(200)})
    early.info("deep", value=[["z" * 1_000] * 100] * 100)
    first, second, third = lines.all()
    assert first["event"] == "e" * 1024 + CLIPPED
    assert first["client"] == "x" * 1024 + CLIPPED
    assert second["fields_left_out"] == 136
    assert third["event"] == "deep"
    assert max(map(len, lines.getvalue().splitlines())) <= 32_768


def test_values_that_json_lacks_are_written(lines: Any) -> None:
    early.info("odd", huge=10**30, half="\ud800", raw=b"x", obj=object, nan=float("nan"))
    line = lines.one()
    assert line["huge"] == "[integer of 100 bits]"
    assert line["half"] == "?"
    assert line["obj"] == "builtins.object"


def test_object_that_cannot_be_printed_does_not_fail_the_caller(lines: Any) -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError

        __repr__ = __str__

    early.info("fine", value=Broken())
    record("fine %s", Broken())
    record(Broken())
    assert len(lines.all()) == 3


def test_configured_keys_are_hidden(lines: Any) -> None:
    setup_logging(json_logs=True, redact_keys=["employee_id"], stream=lines)
    early.info("hired", employeeId="e-1", text="employee_id=e-1")
    line = lines.one()
    assert (line["employeeId"], line["text"]) == (REDACTED, f"employee_id={REDACTED}")


def test_request_line_is_the_access_loggers(lines: Any) -> None:
    fields = {"method": "GET", "path": "/a?token=x", "status": 200, "client": "192.0.2.1"}
    log_request(**fields, duration_ms=1.25, route="/a")  # type: ignore[arg-type]  # as keywords
    get_logger("access").info("http_request", **fields, duration_ms=1.25, route="/a")
    first, second = lines.all()
    assert first.pop("timestamp")[:10] == second.pop("timestamp")[:10]
    assert first == second
    assert first["path"] == f"/a?token={REDACTED}"
    setup_logging("WARNING", json_logs=True, stream=lines)
    log_request(**fields, duration_ms=1.25)  # type: ignore[arg-type]  # as keywords
    assert len(lines.all()) == 2


def test_performance_line(lines: Any) -> None:
    log_performance(early, "import", 12.3456, rows=7)
    log_performance(early, "import", 1, success=False)
    first, second = lines.all()
    assert (first["event"], first["operation"], first["duration_ms"]) == (
        "performance",
        "import",
        12.35,
    )
    assert (first["success"], first["rows"], second["success"]) == (True, 7, False)


def test_observer_sees_safe_events_and_no_request_lines(lines: Any) -> None:
    seen: list[LogEvent] = []
    observe(seen.append)
    error = ValueError("x")
    early.info("first", password="p")
    CLASSIC.error("second", exc_info=error)
    log_request(method="GET", path="/", status=200, duration_ms=1.0, client="c")
    first, second = seen
    assert (first.level, first.logger, first.event) == (20, "early", "first")
    assert first.fields == {"password": REDACTED}
    assert second.error is error


def test_observer_that_fails_does_not_fail_the_caller(lines: Any) -> None:
    def broken(event: LogEvent) -> None:
        raise RuntimeError(event.event)

    observe(broken)
    early.info("fine")
    first, second = lines.all()
    assert first["event"] == "fine"
    assert (second["event"], second["error"]) == ("log_event_failed", "RuntimeError")


def test_console_is_readable_and_coloured_on_a_terminal_only() -> None:
    plain, terminal = io.StringIO(), Terminal()
    for stream in (plain, terminal):
        setup_logging(stream=stream)
        early.info("order_placed", order=7, note="two words", password="p")
    flush()
    (line,) = plain.getvalue().splitlines()
    assert line.endswith(f'early order=7 note="two words" password={REDACTED}')
    assert "[info     ] order_placed" in line
    assert "\x1b[" in terminal.getvalue()


def test_console_shows_exceptions_below_the_line() -> None:
    stream = io.StringIO()
    setup_logging(stream=stream)
    try:
        fail()
    except ValueError:
        early.exception("failed")
    group = ExceptionGroup("several", [ValueError("a"), KeyError("b")])
    CLASSIC.error("failed", exc_info=group, stack_info=True)
    flush()
    text = stream.getvalue()
    assert f"KeyError: 'token={REDACTED}'\n-- which caused\n" in text
    assert f"ValueError: cannot, password={REDACTED} 12\\x0asecond line\n" in text
    assert ", in fail\n" in text
    assert "  | ValueError: a\n" in text
    assert "Stack:\n" in text
