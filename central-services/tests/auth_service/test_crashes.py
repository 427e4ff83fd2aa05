"""What the auth service has answered holds, however it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from central_services.auth_service.app import utc_now
from central_services.auth_service.mail_queue import LEASE_S
from central_services.kit.crashes import judge, kill_repeatedly

from .conftest import Start
from .crash_workloads import Postman, refresh, register, registering

pytestmark = pytest.mark.anyio
KILLS, SEED = 10, 20_261_122
FAMILIES = 3
GRACE_S = 60.0  # a machine may be so busy that a start takes longer than the usual ten


async def test_refresh_that_was_answered_is_never_lost(start: Start, tmp_path: Path) -> None:
    """A client that got no answer tries again with the token that it has, and nobody's family burns."""
    file = tmp_path / "newest.json"

    def keep(_round: int, acknowledged: Sequence[str]) -> None:
        file.write_text(json.dumps(newest | dict(line.split(" ") for line in acknowledged)))

    async with start(refresh_grace_s=GRACE_S) as auth:
        wanted = {"scope": "openid offline_access"}
        newest = {str(n): (await auth.tokens(**wanted))["refresh_token"] for n in range(FAMILIES)}
        url = auth.app.state.settings.database.url.get_secret_value()
    keep(0, [])
    killing = asyncio.to_thread(
        kill_repeatedly, refresh, url, str(file), GRACE_S, kills=KILLS, seed=SEED, after=keep
    )
    acknowledged = await killing
    assert len(acknowledged) >= KILLS
    assert len({line.split(" ")[1] for line in acknowledged}) == len(acknowledged)
    async with start(refresh_grace_s=GRACE_S) as auth:
        for token in json.loads(file.read_text()).values():
            answer = await auth.refresh(token)
            assert answer.status_code == 200, answer.text
            assert (await auth.introspect(answer.json()["access_token"]))["active"]


async def test_mail_that_was_promised_is_sent_whatever_became_of_the_process(
    start: Start, tmp_path: Path
) -> None:
    async with start() as auth:
        url = auth.app.state.settings.database.url.get_secret_value()
    file = str(tmp_path / "letters")
    acknowledged = await asyncio.to_thread(
        kill_repeatedly, register, url, file, kills=KILLS, seed=SEED
    )
    app = registering(url)
    async with app.router.lifespan_context(app):
        mail = app.state.auth.account_mail
        mail.notifier = Postman(file)
        # What a process that died had taken is taken again after a while.
        later = utc_now() + timedelta(seconds=LEASE_S)
        mail.clock = lambda: later
        await mail.drained()
    letters = (tmp_path / "letters").read_text().splitlines()
    assert len(acknowledged) >= KILLS
    assert judge(acknowledged, letters).lost == ()
