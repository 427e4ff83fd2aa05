"""Rate limits of rendered services on a real Valkey: one count for all processes, also after a failure."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from booting import serving
from processes import RunIn
from projects import prefix_of
from rendering import slug_of
from valkey_server import Valkey

pytestmark = pytest.mark.slow

ALGORITHMS = ["token-bucket", "fixed-window", "sliding-window"]

HEAD = """
import asyncio, json, random, sys
from redis.asyncio import Redis
from redis.exceptions import ConnectionError
from PACKAGE.middleware.edge import Policies, SecurityEdge
from PACKAGE.middleware.rate_limit import RateLimiter
from PACKAGE.middleware.rate_limit.quota import Quota
from PACKAGE.middleware.rate_limit.scripts import SCRIPTS
from PACKAGE.middleware.rate_limit.store import SharedStore
from PACKAGE.utils.logging import flush, setup_logging
url, algorithm = sys.argv[1:3]
server = Redis.from_url(url.replace("valkey", "redis", 1), decode_responses=True)

async def done(*stores):
    for store in stores:
        await store.aclose()
    await server.aclose()
"""

# One schedule of bursts, trickles and pauses, asked of two middlewares: one that counts in the
# process by a clock, one that counts on the server by the same clock, which takes the place of TIME
# in the script and of nothing else. Time goes in eighths of a second, which are exact as floats.
SAME = """
class Clock:
    eighths = 8_000_000
    def __call__(self):
        return self.eighths / 8

async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})

async def ask(edge):
    sent = []
    async def send(message):
        sent.append(message)
    scope = {"type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "path": "/",
             "query_string": b"", "headers": [(b"host", b"a")], "client": ("203.0.113.7", 1)}
    await edge(scope, None, send)
    headers = dict(sent[0]["headers"])
    names = (b"ratelimit-policy", b"ratelimit", b"retry-after")
    return sent[0]["status"], *(headers.get(name) for name in names)

async def main():
    assert SCRIPTS[algorithm].count("redis.call('TIME')") == 1
    SCRIPTS[algorithm] = SCRIPTS[algorithm].replace(
        "redis.call('TIME')", "redis.call('MGET', 'seconds', 'microseconds')")
    chance = random.Random(int(sys.argv[3]))
    refused = 0
    for limit, burst in ((1, None), (2, None), (5, 3), (6, 12), (10, None)):
        clock = Clock()
        store = SharedStore(url, algorithm, namespace=f"n{limit}", timeout_s=20)
        here = SecurityEdge(app, Policies(limiter=RateLimiter(
            limit, burst=burst, algorithm=algorithm, clock=clock)))
        there = SecurityEdge(app, Policies(limiter=RateLimiter(
            limit, burst=burst, algorithm=algorithm, store=store, on_store_failure="deny")))
        for request in range(150):
            clock.eighths += chance.choice((0, 0, 1, chance.randrange(80), chance.randrange(1200)))
            seconds, rest = divmod(clock.eighths, 8)
            await server.mset({"seconds": seconds, "microseconds": rest * 125_000})
            local, shared = await ask(here), await ask(there)
            assert local == shared, (limit, burst, request, clock(), local, shared)
            refused += local[0] == 429
            # The server's own time would let keys expire that the schedule still needs.
            for key in await server.keys("{*"):
                await server.persist(key)
        await store.aclose()
    await done()
    print(json.dumps(refused))
asyncio.run(main())
"""

# Five connections in each process, all asking at once; a window of a day does not end meanwhile.
RACE = """
async def main():
    quota = Quota("race", 37, window=86_400.0)
    stores = [SharedStore(url, algorithm, timeout_s=20) for _ in range(5)]
    await server.incr("ready")
    while int(await server.get("ready")) < 2:
        await asyncio.sleep(0.001)
    outcomes = await asyncio.gather(
        *(store.outcome("client", quota) for _ in range(20) for store in stores))
    await done(*stores)
    print(json.dumps([None if o is None else o[0] for o in outcomes]))
asyncio.run(main())
"""

FLUSHED = """
async def main():
    quota = Quota("q", 5, window=86_400.0)
    store = SharedStore(url, algorithm, timeout_s=20)
    left = []
    for _ in range(6):
        left.append((await store.outcome("client", quota))[0])
        await server.script_flush()
    await done(store)
    print(json.dumps(left))
asyncio.run(main())
"""

EXPIRY = """
async def main():
    store = SharedStore(url, algorithm, namespace="mine", timeout_s=20)
    for client in range(50):
        await store.outcome(f"client {client}", Quota("q", 5))
    keys = {key: await server.pttl(key) for key in await server.keys("*")}
    await done(store)
    print(json.dumps(keys))
asyncio.run(main())
"""

RESTART = """
async def main():
    setup_logging(json_logs=True, stream=sys.stderr)
    now = [1000.0]
    quota = Quota("q", 5, window=86_400.0)
    store = SharedStore(url, algorithm, timeout_s=20, clock=lambda: now[0])
    said = [await store.outcome("client", quota) for _ in range(2)]
    process = (await server.info("server"))["run_id"]
    try:
        await server.shutdown(nosave=True)
    except ConnectionError:
        pass  # it hangs up instead of answering
    said += [await store.outcome("client", quota) for _ in range(3)]
    pause = store.retry_after
    while True:
        try:
            if (await server.info("server"))["run_id"] != process:
                break
        except ConnectionError:  # not up yet
            await asyncio.sleep(0.02)
    said.append(await store.outcome("client", quota))
    now[0] += pause
    said += [await store.outcome("client", quota) for _ in range(6)]
    await done(store)
    flush()
    print(json.dumps([None if s is None else s[0] for s in said] + [pause, store.retry_after]))
asyncio.run(main())
"""


def play(project: Path, run_in: RunIn, script: str, *arguments: str) -> tuple[Any, str]:
    """Run a script in a process that has the rendered package; return its result and its log."""
    code = HEAD.replace("PACKAGE", slug_of(project)) + script
    done = run_in(project, "python", "-c", code, *arguments, timeout=60)
    return json.loads(done.stdout), done.stderr


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_server_gives_the_verdicts_of_a_process(
    default_project: Path, run_in: RunIn, valkey: Valkey, algorithm: str
) -> None:
    refused, _ = play(default_project, run_in, SAME, valkey.url, algorithm, "20260101")
    assert 100 < refused < 650, "the schedule proves nothing when nearly all answers are the same"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_two_processes_get_exactly_one_limit(
    default_project: Path, run_in: RunIn, valkey: Valkey, algorithm: str
) -> None:
    with ThreadPoolExecutor(2) as pool:
        both = [
            pool.submit(play, default_project, run_in, RACE, valkey.url, algorithm)
            for _ in range(2)
        ]
        outcomes = [left for process in both for left in process.result()[0]]
    assert len(outcomes) == 200
    # Each number of requests left was told to one request only.
    assert sorted(outcomes, reverse=True) == [*range(36, -1, -1), *[-1] * 163]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_server_that_forgot_the_script_is_told_again(
    default_project: Path, run_in: RunIn, valkey: Valkey, algorithm: str
) -> None:
    left, _ = play(default_project, run_in, FLUSHED, valkey.url, algorithm)
    assert left == [4, 3, 2, 1, 0, -1]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_keys_expire_and_stay_in_their_namespace(
    default_project: Path, run_in: RunIn, valkey: Valkey, algorithm: str
) -> None:
    keys, _ = play(default_project, run_in, EXPIRY, valkey.url, algorithm)
    # A fixed window that ended between the first and the last request has taken some along.
    assert 1 <= len(keys) <= 50
    assert all(key.startswith("{mine}:client ") for key in keys)
    assert all(0 < left_ms <= 120_000 for left_ms in keys.values()), keys


def test_a_server_that_restarts_is_asked_again(
    default_project: Path, run_in: RunIn, valkey: Valkey
) -> None:
    def restart() -> None:
        valkey.process.wait(60)
        valkey.start()

    again = threading.Thread(target=restart)
    again.start()
    said, log = play(default_project, run_in, RESTART, valkey.url, "token-bucket")
    again.join()
    *left, pause, retry_after = said
    # Down at once, not asked within the pause although it is back, then a fresh quota.
    assert left == [4, 3, None, None, None, None, 4, 3, 2, 1, 0, -1]
    assert pause == 1
    assert retry_after == 0
    events = [json.loads(line)["event"] for line in log.splitlines()]
    assert events == ["rate_limit_store_down", "rate_limit_store_up"]


def test_two_services_share_one_limit(default_project: Path, valkey: Valkey) -> None:
    prefix = prefix_of(default_project)
    environment = {
        f"{prefix}ENVIRONMENT": "test",
        f"{prefix}RATE_LIMIT__URL": valkey.url,
        f"{prefix}RATE_LIMIT__REQUESTS_PER_MINUTE": "4",
    }
    with ExitStack() as stack:
        services = [stack.enter_context(serving(default_project, **environment)) for _ in range(2)]
        answers = [services[n % 2].call("GET", "/nothing") for n in range(8)]
    assert [answer.status for answer in answers] == [404] * 4 + [429] * 4
    assert [answer.headers["ratelimit"][:13] for answer in answers[:4]] == [
        f'"default";r={left}' for left in (3, 2, 1, 0)
    ]
