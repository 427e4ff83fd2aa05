"""The auth service of `central-services/` in a process of its own, with an organisation, a user and clients.

Run as a program it is that process: it serves the socket that it is given, registers the clients that it
reads, and prints what it made as one line of JSON. To each further line it answers with one: `rotate` lets the
next keys sign, `lag SECONDS` measures how late its event loop is, `forge TOKEN` makes the forged tokens of the service's
own tests out of a good one.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

JWKS_MAX_AGE_S = 0.2
"""How long a key is published before it signs: less than the settings allow, for many rotations."""
TICK_S = 0.005


class AuthService:
    """A running auth service.

    Attributes:
        url: The issuer.
        made: What it holds: clients with their secrets, and the user.

    Args:
        audience: Whom tokens are for.
        clients: Further clients to register, as the admin API takes them.
        jwks_max_age_s: How long a key is published before it signs; None for what the settings say.
        settings: Settings of the service without `AUTH__`, as in `DPOP_NONCE_REQUIRED="true"`.
    """

    def __init__(
        self,
        audience: str,
        *,
        clients: Sequence[Mapping[str, Any]] = (),
        jwks_max_age_s: float | None = JWKS_MAX_AGE_S,
        **settings: str,
    ) -> None:
        from processes import rendered_python  # noqa: PLC0415  # the process has no such module

        self._folder = tempfile.TemporaryDirectory()
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            listening.listen(64)
            self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            self._log = Path(self._folder.name, "log").open("w+")  # noqa: SIM115  # `stop` closes it
            arguments = [str(listening.fileno()), audience, str(jwks_max_age_s or "")]
            self._process = subprocess.Popen(
                [rendered_python(), str(Path(__file__)), *arguments],
                cwd=self._folder.name,
                env=self._environment(settings),
                pass_fds=[listening.fileno()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                text=True,
            )
        self._say(json.dumps(list(clients)))
        self.made: dict[str, Any] = json.loads(self._line())

    def rotate(self) -> str:
        """Rotate the signing keys, and return the name of the one that signs now."""
        self._say("rotate")
        return self._line()

    def loop_lag(self, seconds: float) -> list[float]:
        """Return how many seconds late the event loop was, for each 5 ms of a while from now on."""
        self._say(f"lag {seconds}")
        found: list[float] = json.loads(self._line())
        return found

    def forge(self, token: str) -> dict[str, str]:
        """Return forged tokens by what they are, made out of a good one that was just signed."""
        self._say(f"forge {token}")
        found: dict[str, str] = json.loads(self._line())
        return found

    def stop(self) -> None:
        """End the process, and delete its data."""
        if self._process.returncode is None:
            self._process.terminate()
            self._process.communicate(timeout=60)
            self._log.close()
            self._folder.cleanup()

    def _environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        from combinations import ROOT  # noqa: PLC0415  # the process has none of these modules
        from processes import clean_environment  # noqa: PLC0415  # as above

        chosen: dict[str, Any] = {
            "AUTH__ISSUER": self.url,
            "DATABASE__URL": f"sqlite+aiosqlite:///{self._folder.name}/auth.db",
            "RATE_LIMIT__REQUESTS_PER_MINUTE": "1000000",
            "RATE_LIMIT__ROUTES": '{"POST /oauth2/token": 1000000}',
            "JOBS__EMBEDDED_WORKER": "false",
            "CENTRAL_AUDIT__ENABLED": "false",
            "LOG_LEVEL": "WARNING",
            **{f"AUTH__{name}": value for name, value in settings.items()},
        }
        named = {f"CENTRAL_SERVICES_{name}": value for name, value in chosen.items()}
        project = ROOT / "central-services"
        path = os.pathsep.join([str(project / "src"), str(project)])
        return clean_environment(PYTHONPATH=path, **named)

    def _say(self, line: str) -> None:
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):  # it has ended: `_line` shows why
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()

    def _line(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            raise AssertionError(f"the auth service ended:\n{self._log.read()}")
        return line.strip()


async def _main(descriptor: int, audience: str, max_age: str) -> None:
    import asyncio  # noqa: PLC0415  # all of these: the process's own

    import uvicorn  # noqa: PLC0415  # the process has these modules, the tests have not
    from central_services.auth_service.app import build  # noqa: PLC0415  # the process has these modules, the tests have not
    from central_services.core.migrations import Migrations  # noqa: PLC0415  # the process has these modules, the tests have not
    from central_services.settings import Settings  # noqa: PLC0415  # the process has these modules, the tests have not

    settings = Settings()
    fast = {"jwks_max_age_s": float(max_age), "key_check_s": 0.05} if max_age else {}
    settings = settings.model_copy(update={"auth": settings.auth.model_copy(update=fast)})
    await Migrations(settings.database).upgrade()
    app = build(settings)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    listening = socket.socket(fileno=descriptor)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:  # noqa: ASYNC110  # uvicorn tells it in no other way
        await asyncio.sleep(0.01)  # between two looks
    clients = json.loads(sys.stdin.readline())
    print(json.dumps(await _fill(app, audience, clients)), flush=True)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    obeying = asyncio.create_task(_obey(app, reader))
    # Nobody asks any more: the tests are gone, however they ended.
    obeying.add_done_callback(lambda _: setattr(server, "should_exit", True))
    with contextlib.suppress(asyncio.CancelledError):
        await serving
    obeying.cancel()


async def _obey(app: Any, reader: Any) -> None:
    while line := await reader.readline():
        word, _, rest = line.decode().strip().partition(" ")
        if word == "rotate":
            answer = await _rotate(app)
        elif word == "lag":
            answer = json.dumps(await _lag(float(rest)))
        else:
            answer = json.dumps(_forged(app, rest))
        print(answer, flush=True)


def _forged(app: Any, token: str) -> dict[str, str]:
    from tests.auth_service.test_forged import Corpus  # noqa: PLC0415  # those of central-services

    key = app.state.auth.ring.signing("ES256")
    return dict(Corpus(token, key.key, dict(key.public)).all())


async def _lag(seconds: float) -> list[float]:
    """Return how late the loop came back, for each tick that was due: a long wait is many ticks late."""
    import asyncio  # noqa: PLC0415  # as above

    late, due = [], time.perf_counter()
    end = due + seconds
    while due < end:
        due += TICK_S
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        late.append(time.perf_counter() - due)
    return late


async def _rotate(app: Any) -> str:
    import asyncio  # noqa: PLC0415  # as above

    from central_services.auth_service.keys import RotationTooEarlyError  # noqa: PLC0415  # the process has these modules, the tests have not

    ring = app.state.auth.ring
    while True:
        try:
            await ring.maintain(rotate=True)
        except RotationTooEarlyError:
            await asyncio.sleep(0.05)  # between two tries
        else:
            return str(ring.signing("ES256").kid)


async def _fill(app: Any, audience: str, clients: list[dict[str, Any]]) -> dict[str, Any]:
    from central_services.auth_service import schemas  # noqa: PLC0415  # as above
    from central_services.auth_service.service import IdentityService  # noqa: PLC0415  # the process has these modules, the tests have not
    from pydantic import SecretStr  # noqa: PLC0415  # the process has these modules, the tests have not

    parts, password, made = app.state.auth, secrets.token_urlsafe(24), {}
    async with parts.database.transaction() as session:

        async def record(action: Any, *, target: str, data: dict[str, Any]) -> Any:
            return await app.state.audit.record(action, target=target, data=data, session=session)

        service = IdentityService(session, record, parts.clock)
        await service.create_organisation(schemas.OrganisationCreate(slug="acme", name="Acme"))
        await service.put_role("acme", "clerk", ["orders:read", "orders:write"])
        user = await service.create_user(
            schemas.UserCreate(
                organisation="acme",
                email="ada@example.com",
                name="Ada",
                password=SecretStr(password),
            ),
            await parts.passwords.hash(password),
        )
        await service.assign(user.id, ["clerk"])
        for asked in (*_usual_clients(audience), *clients):
            client = schemas.ClientCreate.model_validate(asked)
            made[str(client.id)] = (await service.register_client(client))[1]
    return {"secrets": made, "email": "ada@example.com", "password": password, "user": str(user.id)}


def _usual_clients(audience: str) -> list[dict[str, Any]]:
    own: dict[str, Any] = {
        "grant_types": ["client_credentials"],
        "scopes": [],
        "audiences": [audience],
    }
    spa = {
        "id": "spa",
        "name": "Shop",
        "auth_method": "none",
        "redirect_uris": ["https://shop.example.com/callback"],
        "audiences": [audience],
        "skip_consent": True,
    }
    reader = own | {"id": "reader", "name": "reader", "permissions": ["orders:read"]}
    writer = own | {"id": "writer", "name": "writer"}
    return [writer | {"permissions": ["orders:read", "orders:write"]}, reader, spa]


if __name__ == "__main__":
    import asyncio

    os.umask(0o077)
    asyncio.run(_main(int(sys.argv[1]), *sys.argv[2:]))
