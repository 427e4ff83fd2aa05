"""Runs of a scheduled task over a bad SMTP server: `monitoring_mail.py PACKAGE FOLDER RUNS SEED`.

Runs with the rendered project's interpreter and prints one JSON document: what changed, what
arrived, how often the server's final reply was lost, and what the admins were told.
"""

import asyncio
import importlib
import json
import random
import re
import sys
from collections import Counter
from contextlib import AsyncExitStack
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP

PACKAGE, FOLDER = sys.argv[1], Path(sys.argv[2])
RUNS, SEED = int(sys.argv[3]), int(sys.argv[4])
EVIL = '<img src="https://evil.example/x.png" onerror="alert(1)"><script>alert(2)</script>'


def part(name: str) -> Any:
    """Return a module of the rendered project."""
    return importlib.import_module(f"{PACKAGE}.{name}")


class Server:
    """An SMTP server that fails in every way there is."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.taken: list[bytes] = []
        self.down = False
        self.seen: Counter[str] = Counter()

    async def handle_RCPT(  # noqa: N802  # the library's name
        self, server: SMTP, _session: object, envelope: Any, address: str, _options: object
    ) -> str:
        """Take a recipient, or not."""
        luck = self.chance.random()
        if luck < 0.05:
            self.seen["hung_up"] += 1
            server.transport.close()  # type: ignore[union-attr]  # it is connected
            return "421 Bye"
        if luck < 0.1:
            self.seen["deferred"] += 1
            return "450 Try later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: object, envelope: Any) -> str:  # noqa: N802  # as above
        """Take a message, or not, or take it and never say so."""
        luck = self.chance.random()
        if self.down or luck < 0.08:
            self.seen["refused"] += 1
            return "451 Try later"
        self.taken.append(bytes(envelope.content))
        if luck < 0.14:
            self.seen["lost_replies"] += 1
            server.transport.close()  # type: ignore[union-attr]  # it is connected
        return "250 Queued"


async def hook(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, got: list[str]) -> None:
    """Take what the admins are told."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(re.findall(r"content-length: (\d+)", head)[0])
    got.append(json.loads(await reader.readexactly(length))["text"])
    writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok")
    await writer.drain()
    writer.close()


async def main() -> dict[str, Any]:
    """Run the task, and return what came of it."""
    chance = random.Random(SEED)
    server, told = Server(chance), list[str]()
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        smtp = await loop.create_server(lambda: SMTP(server, loop=loop), "127.0.0.1", 0)
        stack.callback(smtp.close)
        web = await asyncio.start_server(lambda r, w: hook(r, w, told), "127.0.0.1", 0)
        stack.callback(web.close)
        ports = [made.sockets[0].getsockname()[1] for made in (smtp, web)]
        settings = _settings(*ports)
        service = await stack.enter_async_context(
            part("monitoring.composition").open_monitoring(settings)
        )
        value = {"number": 0}
        base = part("monitoring.checks.base")

        async def look(_parameters: object, _context: object) -> Any:
            number = value["number"]
            rows = ({"Value": number, "Note": EVIL},)
            return base.CheckResult(
                ok=number % 2 == 0, summary=f"value-{number} {EVIL}", facts=number, rows=rows
            )

        check = base.FunctionCheck("value", "Value", base.CheckParameters, look)
        service.checks.add(check)
        service.presets._rules.add(check)
        return await _run(service, server, value, chance, told)


def _settings(smtp_port: int, web_port: int) -> Any:
    return part("settings").Settings(
        mail={
            "delivery": "smtp",
            "sender": "service@example.com",
            "smtp_host": "127.0.0.1",
            "smtp_port": smtp_port,
            "smtp_tls": "none",
            "admin_webhook_url": f"http://127.0.0.1:{web_port}/hook",
            "records_path": str(FOLDER / "mail.db"),
        },
        http_client={"allowed_internal_hosts": ("127.0.0.1",)},
        monitoring={
            "presets_path": FOLDER / "presets.json",
            "attempts": 4,
            "backoff_s": 0.0,
            "min_interval_s": 1,
        },
        jobs={"path": FOLDER / "jobs.db"},
    )


async def _run(
    service: Any, server: Server, value: dict[str, int], chance: random.Random, told: list[str]
) -> dict[str, Any]:
    await service.presets.add(
        {
            "name": f"Watch {EVIL}"[:120].strip(),
            "id": "watch",
            "check": "value",
            "interval_s": 60,
            "recipients": ["ann@example.com"],
        }
    )
    outages = [range(at, at + 8) for at in (RUNS // 4, RUNS // 2, 3 * RUNS // 4)]
    changes = {0}
    for number in range(RUNS):
        if number and chance.random() < 0.5:
            value["number"] += 1
            changes.add(value["number"])
        server.down = any(number in outage for outage in outages)
        await service.run("watch")
    for _ in range(10):  # whatever still waits
        await service.run("watch")
    task = await service.presets.get("watch")
    messages = [message_from_bytes(raw, policy=policy.default) for raw in server.taken]
    arrived = [int(re.findall(r"value-(\d+)", _text(m, "plain"))[0]) for m in messages]
    ids: dict[int, set[str]] = {number: set() for number in arrived}
    for number, message in zip(arrived, messages, strict=True):
        ids[number].add(str(message["Message-ID"]))
    pages = [_text(message, "html") for message in messages]
    return {
        "changes": len(changes),
        "missing": sorted(changes - set(arrived)),
        "invented": sorted(set(arrived) - changes),
        "in_order": list(dict.fromkeys(arrived)) == sorted(changes),
        "duplicates": len(arrived) - len(set(arrived)),
        "ids_per_change": max(len(found) for found in ids.values()),
        "distinct_ids": len(set().union(*ids.values())),
        "pending": len(task.pending),
        "status": task.status.value,
        "outages": len(outages),
        "told": [text.splitlines()[0] for text in told],
        "markup": sum("<img" in page or "<script" in page for page in pages),
        **server.seen,
    }


def _text(message: Any, kind: str) -> str:
    found: str = message.get_body((kind,)).get_content()
    return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main())))
