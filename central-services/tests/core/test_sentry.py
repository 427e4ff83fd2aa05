# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What reaches Sentry, read from a real ingest endpoint on this machine."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest
import sentry_sdk
from fastapi import FastAPI
from sentry_sdk.integrations import Integration

from central_services.core import sentry
from central_services.core._sentry_sampling import Sampling
from central_services.core.sentry import SentryTracer, close_sentry, init_sentry
from central_services.middleware.request_context import (
    RequestContextMiddleware,
)
from central_services.utils.logging import get_logger
from central_services.utils.redaction import REDACTED
from central_services.utils.taxonomy import UnknownCategoryError

pytestmark = pytest.mark.anyio

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
SPAN_ID = "b7ad6b7169203331"


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()

    @app.get("/orders/{order_id}")
    async def order(order_id: str) -> dict[str, str]:
        with sentry_sdk.start_span(op="db", name="SELECT 1"):
            return {"id": order_id}

    @app.get("/broken/{order_id}")
    async def broken(order_id: str) -> None:
        get_logger("orders").info("about_to_break", step=1)
        raise RuntimeError(order_id)

    @app.get("/users/{name}")
    async def user(name: str) -> None:
        sentry_sdk.set_user({"id": name})
        sentry_sdk.set_tag("name", name)
        sentry.add_breadcrumb(f"crumb of {name}")
        await asyncio.sleep(0)
        get_logger("users").info("line", line=f"line of {name}")
        await asyncio.sleep(0)
        sentry.capture_message(f"hello {name}")

    @app.get("/sync-user/{name}")
    def sync_user(name: str) -> None:
        sentry.set_user_context(name)

    @app.get("/nobody")
    async def nobody() -> None:
        sentry.capture_message("nobody")

    return app


async def get(app: FastAPI, path: str, **headers: str) -> httpx2.Response:
    edge = RequestContextMiddleware(app, tracer=SentryTracer())
    transport = httpx2.ASGITransport(edge, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await client.get(path, headers=named)


def test_without_a_dsn_sentry_is_off_and_not_imported() -> None:
    code = (
        "import sys\n"
        "from central_services.core import sentry\n"
        "assert sentry.init_sentry() is False\n"
        "assert sentry.init_sentry('') is False\n"
        "assert sentry.capture_message('x') is None\n"
        "assert sentry.capture_exception(ValueError()) is None\n"
        "assert sentry.add_breadcrumb('x') is None\n"
        "assert sentry.set_user_context('1') is None\n"
        "assert sentry.SentryTracer().start({'headers': []}) is None\n"
        "sentry.close_sentry()\n"
        "print('sentry_sdk' in sys.modules, 'rich' in sys.modules)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "False"]


async def test_transaction_is_named_by_its_route_template(ingest: Any, app: FastAPI) -> None:
    init_sentry(ingest.dsn, environment="test", release="orders@1", traces_sample_rate=1.0)
    await get(app, "/orders/17?token=abc")
    (transaction,) = ingest.sent("transaction")
    assert transaction["transaction"] == "GET /orders/{order_id}"
    assert transaction["transaction_info"]["source"] == "route"
    assert transaction["contexts"]["trace"]["op"] == "http.server"
    data = transaction["contexts"]["trace"]["data"]
    assert data["http.request.method"] == "GET"
    assert data["http.response.status_code"] == 200
    assert (transaction["environment"], transaction["release"]) == ("test", "orders@1")
    assert [span["description"] for span in transaction["spans"]] == ["SELECT 1"]
    assert transaction["request"]["query_string"] == f"token={REDACTED}"


async def test_path_without_a_route_does_not_become_a_name(ingest: Any, app: FastAPI) -> None:
    init_sentry(ingest.dsn, traces_sample_rate=1.0)
    await get(app, "/secret-looking-path")
    (transaction,) = ingest.sent("transaction")
    assert transaction["transaction"] == "GET [no route]"
    assert transaction["contexts"]["trace"]["data"]["http.response.status_code"] == 404


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sentry_trace", f"{TRACE_ID}-{SPAN_ID}-1"),
        ("traceparent", f"00-{TRACE_ID}-{SPAN_ID}-01"),
    ],
)
async def test_callers_trace_is_continued(ingest: Any, app: FastAPI, name: str, value: str) -> None:
    init_sentry(ingest.dsn, traces_sample_rate=1.0)
    await get(app, "/orders/1", **{name: value})
    trace = ingest.sent("transaction")[0]["contexts"]["trace"]
    assert (trace["trace_id"], trace["parent_span_id"]) == (TRACE_ID, SPAN_ID)


@pytest.mark.parametrize(("item", "kept"), [("sentry-token=canary", False), ("sentry-a=b", True)])
async def test_secret_in_baggage_does_not_travel_on(
    ingest: Any, app: FastAPI, item: str, kept: bool
) -> None:
    init_sentry(ingest.dsn, traces_sample_rate=1.0)
    await get(app, "/orders/1", sentry_trace=f"{TRACE_ID}-{SPAN_ID}-1", baggage=f"a=b,{item}")
    ingest.sent()
    assert "canary" not in ingest.text
    assert ('"a":"b"' in ingest.text.replace(" ", "")) is kept


async def test_error_of_an_unsampled_request_belongs_to_the_callers_trace(
    ingest: Any, app: FastAPI
) -> None:
    init_sentry(ingest.dsn, traces_sample_rate=0.0)
    await get(app, "/broken/1", sentry_trace=f"{TRACE_ID}-{SPAN_ID}-0")
    assert ingest.sent()[0]["contexts"]["trace"]["trace_id"] == TRACE_ID


@pytest.mark.parametrize(("decision", "count"), [("0", 0), ("1", 1)])
async def test_callers_sampling_decision_is_kept(
    ingest: Any, app: FastAPI, decision: str, count: int
) -> None:
    # 0.999 would sample, 0.001 would not: whichever the caller's decision has to overrule.
    init_sentry(ingest.dsn, traces_sample_rate=0.001 if count else 0.999)
    await get(app, "/orders/1", sentry_trace=f"{TRACE_ID}-{SPAN_ID}-{decision}")
    assert len(ingest.sent("transaction")) == count


async def test_burst_of_chosen_requests_is_limited(ingest: Any, app: FastAPI) -> None:
    init_sentry(ingest.dsn, traces_sample_rate=1.0, max_transactions_per_s=1.0)
    # A caller can't force its way past the limit, either.
    for _ in range(12):
        await get(app, "/orders/1", sentry_trace=f"{TRACE_ID}-{SPAN_ID}-1")
    assert 5 <= len(ingest.sent("transaction")) < 12


def test_share_follows_the_traffic_and_is_recorded() -> None:
    now = 0.0
    sampling = Sampling(0.5, 10.0, clock=lambda: now)
    for _ in range(1_000):
        sampling.draw()
    assert sampling.rate == 0.5
    now = 1.0
    sampling.draw()
    assert sampling.rate == pytest.approx(0.01)
    now = 2.0
    sampling.draw()
    assert sampling.rate == 0.5


async def test_unhandled_exception_is_one_event_with_its_request_and_breadcrumbs(
    ingest: Any, app: FastAPI, logs: io.StringIO
) -> None:
    init_sentry(ingest.dsn, traces_sample_rate=0.0)
    await get(app, "/broken/17", x_request_id="request-1")
    (event,) = ingest.sent()
    assert event["exception"]["values"][-1]["type"] == "RuntimeError"
    assert event["transaction"] == "GET /broken/{order_id}"
    assert event["request"]["method"] == "GET"
    assert event["request"]["url"] == "http://testserver/broken/17"
    assert event["tags"]["request_id"] == "request-1"
    assert [c["message"] for c in event["breadcrumbs"]["values"]] == ["about_to_break"]
    assert all("vars" not in f for f in event["exception"]["values"][-1]["stacktrace"]["frames"])


async def test_exception_reported_by_the_tracer_counts_as_unhandled(ingest: Any) -> None:
    init_sentry(ingest.dsn)
    SentryTracer().capture(ValueError("x"), {"headers": []})
    (event,) = ingest.sent()
    assert event["exception"]["values"][0]["mechanism"]["handled"] is False


async def test_error_lines_of_both_kinds_of_loggers_become_events(
    ingest: Any, logs: io.StringIO
) -> None:
    init_sentry(ingest.dsn)
    get_logger("ours").info("first")
    get_logger("ours").error("payment_failed", order=1)
    logging.getLogger("library.child").critical("gave up after %d", 3, extra={"host": "a"})
    ours, theirs = ingest.sent()
    assert (ours["level"], ours["logger"]) == ("error", "ours")
    assert ours["logentry"]["message"] == "payment_failed"
    assert ours["extra"]["order"] == 1
    assert "first" in [c["message"] for c in ours["breadcrumbs"]["values"]]
    assert (theirs["level"], theirs["logger"]) == ("fatal", "library.child")
    assert theirs["logentry"]["formatted"] == "gave up after 3"
    assert theirs["extra"]["host"] == "a"


async def test_exception_that_is_logged_and_raised_again_is_one_event(
    ingest: Any, logs: io.StringIO
) -> None:
    init_sentry(ingest.dsn)
    error = ValueError("once")
    get_logger("a").error("failed", exc_info=error)
    logging.getLogger("b").error("failed again", exc_info=error)
    sentry.capture_exception(error)
    sentry_sdk.capture_exception(error)
    assert len(ingest.sent()) == 1


async def test_concurrent_requests_do_not_see_each_other(
    ingest: Any, app: FastAPI, logs: io.StringIO
) -> None:
    init_sentry(ingest.dsn, traces_sample_rate=0.5)
    names = [f"u{number}" for number in range(20)]
    await asyncio.gather(*(get(app, f"/users/{name}") for name in names))
    await get(app, "/nobody")
    events = {event["message"]: event for event in ingest.sent()}
    for name in names:
        event = events[f"hello {name}"]
        assert event["user"]["id"] == event["tags"]["name"] == name
        crumbs = event["breadcrumbs"]["values"]
        assert [c["message"] for c in crumbs] == [f"crumb of {name}", "line"]
        assert crumbs[1]["data"]["line"] == f"line of {name}"
    assert "user" not in events["nobody"]
    assert not events["nobody"].get("breadcrumbs", {}).get("values")


async def test_user_set_in_a_worker_thread_is_the_requests_user(ingest: Any, app: FastAPI) -> None:
    init_sentry(ingest.dsn, traces_sample_rate=1.0)
    await get(app, "/sync-user/ann")
    (transaction,) = ingest.sent("transaction")
    assert transaction["user"] == {"id": "ann"}


async def test_tags_of_start_up_are_on_the_events_of_requests(ingest: Any, app: FastAPI) -> None:
    init_sentry(ingest.dsn)
    start_up = sentry_sdk.get_isolation_scope()
    start_up.set_tag("region", "eu")
    try:
        await get(app, "/nobody")
    finally:
        start_up.remove_tag("region")
    assert ingest.sent()[0]["tags"]["region"] == "eu"


@pytest.mark.parametrize("keep", [False, True])
async def test_email_is_sent_only_when_asked_for(ingest: Any, app: FastAPI, keep: bool) -> None:
    init_sentry(ingest.dsn, send_default_pii=keep)
    with sentry_sdk.isolation_scope():
        sentry.set_user_context("7", email="ann@example.com", username="ann", plan="gold")
        sentry.capture_message("hello")
    (event,) = ingest.sent()
    kept = {"email": "ann@example.com"} if keep else {}
    assert event["user"] == {"id": "7", "username": "ann", "plan": "gold", **kept}


async def test_message_carries_level_tags_extra_and_category(ingest: Any) -> None:
    init_sentry(ingest.dsn)
    sentry.capture_message("m", level="warning", tags={"a": "b"}, extra={"password": "p", "n": 1})
    (event,) = ingest.sent()
    assert event["level"] == "warning"
    assert event["tags"] == {"a": "b", "category": "custom"}
    assert event["extra"] == {"password": REDACTED, "n": 1}


def test_unknown_category_is_refused_even_while_sentry_is_off() -> None:
    with pytest.raises(UnknownCategoryError, match="use one of http, auth"):
        sentry.add_breadcrumb("x", category="misc")
    with pytest.raises(UnknownCategoryError, match="'misc'"):
        sentry.capture_message("x", category="misc")


async def test_integration_of_the_sdk_can_be_added(ingest: Any) -> None:
    class Spans(Integration):
        identifier = "spans"

        @staticmethod
        def setup_once() -> None:
            """Nothing to patch."""

    init_sentry(ingest.dsn, integrations=[Spans()])
    sentry.capture_message("x")
    (event,) = ingest.sent()
    assert event["sdk"]["integrations"] == ["excepthook", "spans"]


async def test_release_is_name_and_version_by_default(ingest: Any) -> None:
    init_sentry(ingest.dsn)
    sentry.capture_message("x")
    (event,) = ingest.sent()
    name, _, version = event["release"].partition("@")
    assert name == "central_services".replace("_", "-")
    assert version


async def test_keys_of_the_project_are_hidden_too(ingest: Any) -> None:
    init_sentry(ingest.dsn, redact_keys=["employee_number"])
    sentry.capture_message("x", extra={"employeeNumber": "e-1"})
    assert ingest.sent()[0]["extra"] == {"employeeNumber": REDACTED}


def test_hooks_clean_what_somebody_else_put_in() -> None:
    frame = {"function": "f", "vars": {"anything": "local-canary"}}
    event: Any = {
        "exception": {"values": [{"value": "password=p", "stacktrace": {"frames": [frame]}}]},
        "request": {
            "url": "https://bob:p@db/?token=t",
            "cookies": {"a": "b"},
            "headers": {"X-Api-Key": "k", "Accept": "*/*"},
            "data": '{"password": "p"}',
            "env": {"REMOTE_ADDR": "192.0.2.1"},
        },
        "spans": [{"description": "SELECT 1 WHERE password = 'p'", "data": {"api_key": "k"}}],
    }
    safe = sentry.before_send_hook(event, {})
    assert safe == {
        "exception": {
            "values": [
                {"value": f"password={REDACTED}", "stacktrace": {"frames": [{"function": "f"}]}}
            ]
        },
        "request": {
            "url": f"https://{REDACTED}@db/?token={REDACTED}",
            "cookies": REDACTED,
            "headers": {"x-api-key": REDACTED, "accept": "*/*"},
            "data": '{"password": "' + REDACTED + '"}',
        },
        "spans": [
            {
                "description": f"SELECT 1 WHERE password = '{REDACTED}'",
                "data": {"api_key": REDACTED},
            }
        ],
    }
    crumb = sentry.before_breadcrumb_hook({"message": "token=t", "data": {"secret": "s"}}, {})
    assert crumb is not None
    assert (crumb["message"], crumb["data"]) == (f"token={REDACTED}", {"secret": REDACTED})


async def test_shutdown_does_not_wait_for_a_server_that_hangs() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as silent:
        # It listens and never accepts.
        init_sentry(f"http://public@127.0.0.1:{silent.server_address[1]}/1")
        sentry.capture_message("x")
        clock = asyncio.get_running_loop().time
        began = clock()
        close_sentry(timeout_s=0.2)
        assert clock() - began < 1.0
