# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Secrets planted in every place stay in; without the rules each of them gets out."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI, Request
from pydantic import BaseModel

from central_services.core import sentry
from central_services.core._sentry_sampling import Sampling
from central_services.core._sentry_scrub import LIMITS
from central_services.core.sentry import SentryTracer, close_sentry, init_sentry
from central_services.middleware.request_context import (
    RequestContextMiddleware,
)
from central_services.utils import logging as pipeline_logging
from central_services.utils._log_pipeline import Pipeline, to_json
from central_services.utils._log_writer import LogWriter
from central_services.utils.logging import flush, get_logger, setup_logging
from central_services.utils.redaction import Redactor

pytestmark = pytest.mark.anyio


class LetThrough(Redactor):
    """No rules: proves that the rules are what keeps the canaries in."""

    def is_sensitive(self, key: object) -> bool:  # noqa: ARG002  # as in the base
        """Take nothing for a secret."""
        return False

    def text(self, text: str) -> str:
        """Leave text as it is."""
        return text


def start_without_rules(dsn: str, stream: io.StringIO) -> None:
    writer = LogWriter(lambda: stream)
    pipeline_logging._install(Pipeline(LetThrough(), to_json, writer), logging.INFO)
    sentry._start(dsn, "test", "1", Sampling(1.0, 10.0), [], LetThrough(limits=LIMITS))


def start_with_rules(dsn: str, stream: io.StringIO) -> None:
    setup_logging(json_logs=True, stream=stream)
    init_sentry(dsn, "test", "1", 1.0)


class Connection(BaseModel):
    """Settings as a project has them."""

    host: str
    api_key: str


PLACES = (
    "settings header cookie body query exception cause note breadcrumb field stdlib argument"
    " nested bytes text pair extra tag user url jwt pem"
)
CANARY = {place: f"canary-{number:02d}-{place}" for number, place in enumerate(PLACES.split(" "))}
# In these the secret is what the shape says it is.
# In parts, so that no scanner takes this file for a leak.
PRIVATE = "PRIVATE KEY"
JWT_HEADER = "eyJhbGciOiJIUzI1NiJ9"
CANARY["jwt"] = f"{JWT_HEADER}.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl"


async def plant(dsn: str, stream: io.StringIO, start: Callable[[str, io.StringIO], None]) -> None:
    start(dsn, stream)
    app, log, child = FastAPI(), get_logger("structured"), logging.getLogger("library.child")

    @app.post("/login")
    async def login(request: Request) -> None:
        body = await request.json()
        settings = Connection(host="db", api_key=CANARY["settings"])
        log.info("started", settings=settings, headers=dict(request.headers))
        log.info("body", body=body, query=str(request.query_params), raw=request.scope["headers"])
        nested = [{"a": {"X-Api-Key": CANARY["nested"]}}]
        log.info("fields", db_password=CANARY["field"], nested=nested)
        log.info("texts", line=f"Bearer {CANARY['text']}", secret=CANARY["bytes"].encode())
        log.warning(f"token: {CANARY['pair']}")  # noqa: G004  # what a careless line looks like
        log.info("shapes", a=CANARY["jwt"], b=f"https://bob:{CANARY['url']}@db/")
        log.info("key", pem=f"-----BEGIN {PRIVATE}-----\n{CANARY['pem']}\n")
        extra = {"token": CANARY["stdlib"]}
        child.info("connecting %s", {"passwd": CANARY["argument"]}, extra=extra)
        sentry.add_breadcrumb("step", "auth", data={"refreshToken": CANARY["breadcrumb"]})
        sentry.set_user_context("7", session_token=CANARY["user"])
        sentry.capture_message(
            "m", tags={"api_key": CANARY["tag"]}, extra={"deep": [{"secret": CANARY["extra"]}]}
        )
        error = RuntimeError(f"cannot log in with password={CANARY['exception']}")
        error.add_note(f"api_key: {CANARY['note']}")
        raise error from KeyError(f"password={CANARY['cause']}")

    edge = RequestContextMiddleware(app, tracer=SentryTracer())
    transport = httpx2.ASGITransport(edge, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {CANARY['header']}", "Cookie": f"a={CANARY['cookie']}"}
    json_body = {"user": {"password": CANARY["body"]}}
    async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client:
        await client.post(f"/login?token={CANARY['query']}", json=json_body, headers=headers)
    close_sentry()
    flush()


async def test_no_canary_is_in_the_logs_or_on_the_wire(ingest: Any, logs: io.StringIO) -> None:
    await plant(ingest.dsn, logs, start_with_rules)
    assert "unhandled_exception" in logs.getvalue()
    assert {kind for kind, _ in ingest.items} >= {"event", "transaction"}
    for canary in CANARY.values():
        assert canary not in logs.getvalue()
        assert canary not in ingest.text


async def test_without_the_rules_every_canary_gets_out(ingest: Any, logs: io.StringIO) -> None:
    await plant(ingest.dsn, logs, start_without_rules)
    in_logs = {place for place, canary in CANARY.items() if canary in logs.getvalue()}
    on_wire = {place for place, canary in CANARY.items() if canary in ingest.text}
    assert in_logs == set(CANARY) - {"breadcrumb", "extra", "tag", "user"}
    assert on_wire == set(CANARY)
