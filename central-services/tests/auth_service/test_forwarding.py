"""What the auth service records is forwarded to the audit service, and nobody waits for that."""

from __future__ import annotations

import pytest

from .conftest import Harness

pytestmark = pytest.mark.anyio


async def test_without_the_audit_service_people_log_in_and_the_events_wait(auth: Harness) -> None:
    assert auth.app.state.settings.central_audit.url == "https://127.0.0.1:1"  # nobody's
    assert (await auth.log_in()).status_code == 303
    assert "login.succeeded" in auth.audited
    assert (await auth.http.get("/health/ready")).status_code == 200
    backlog = await auth.app.state.audit_forwarder.backlog()
    assert backlog.waiting > 0
    assert backlog.sent == backlog.refused == 0
