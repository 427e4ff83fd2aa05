"""The cache of rendered services on a real Valkey: one load for all processes, and nothing out of date."""

import json
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from processes import RunIn, clean_environment, rendered_python
from projects import prefix_of, read_yaml
from rendering import Renderer, slug_of
from valkey_server import Valkey

pytestmark = pytest.mark.slow

# A script has `cache`, `server` (a client of its own) and `NUMBERS`; what it returns is printed.
HEAD = """
import asyncio, json, sys
from redis.asyncio import Redis
from PACKAGE.core.cache import CacheClient, CacheSettings, Namespace
from PACKAGE.utils.logging import flush, setup_logging
url = sys.argv[1]
NUMBERS = Namespace("numbers", int, ttl_s=600)
server = Redis.from_url(url.replace("valkey", "redis", 1), decode_responses=True)
setup_logging(json_logs=True, stream=sys.stderr)

def new(**settings):
    given = CacheSettings(**{"url": url, "timeout_s": 20, **settings})
    return CacheClient(given, scope=lambda: "acme:test:1")

async def meet(name, count):
    await server.incr(name)
    while int(await server.get(name)) < count:
        await asyncio.sleep(0.001)

async def play():
    result = await main()
    await server.aclose()
    flush()
    print(json.dumps(result), flush=True)
"""
TAIL = "\nasyncio.run(play())\n"

# Each process asks fifty times at once for each of ten keys; a load takes longer than all of that.
STAMPEDE = """
async def main():
    cache = new()
    async def load():
        await asyncio.sleep(0.3)
        return await server.incr("loads")
    await meet("ready", 3)
    asked = (cache.get_or_set(NUMBERS, f"key {n % 10}", load) for n in range(500))
    found = await asyncio.gather(*asked)
    counts = cache.stats().total
    await cache.aclose()
    return sorted(set(found)), counts.loads, int(await server.get("loads"))
"""

# The load takes four times as long as a lock lives that nobody renews.
SLOW_LOAD = """
async def main():
    cache = new(lock_s=0.3, lock_wait_s=60)
    async def load():
        await asyncio.sleep(1.2)
        return await server.incr("loads")
    await meet("ready", 2)
    found = await cache.get_or_set(NUMBERS, "k", load)
    kept = await cache.get(NUMBERS, "k")
    await cache.aclose()
    return found, kept
"""

HANGS = """
async def main():
    cache = new(lock_s=1)
    async def load():
        print("loading", flush=True)
        await asyncio.Event().wait()
    await cache.get_or_set(NUMBERS, "k", load)
"""
TAKES_OVER = """
async def main():
    cache = new(lock_s=1, lock_wait_s=60)
    async def load():
        return 2
    found = [await cache.get_or_set(NUMBERS, "k", load), await cache.get(NUMBERS, "k")]
    await cache.aclose()
    return found
"""

# Two clients have their own connections and flights, as two processes have.
OVERTAKEN = """
async def main():
    here, there = new(), new()
    left = {}
    for change in ("delete", "set", "delete_namespace", "clear"):
        async def load():
            if change == "delete":
                await there.delete(NUMBERS, change)
            elif change == "set":
                await there.set(NUMBERS, change, 2)
            elif change == "clear":
                await there.clear()
            else:
                await there.delete_namespace(NUMBERS)
            return 1
        assert await here.get_or_set(NUMBERS, change, load) == 1
        left[change] = await here.get(NUMBERS, change), await there.get(NUMBERS, change)
    await here.aclose()
    await there.aclose()
    return left
"""

SHARED = """
async def main():
    here, there = new(), new()
    other = CacheClient(CacheSettings(url=url, timeout_s=20), scope=lambda: "acme:test:2")
    named = Namespace("named", dict[str, list[int]], plain_keys=True)
    await here.set(NUMBERS, "jane@example.com", 7, ttl_s=100)
    await here.set(named, "k", {"a": [1]})
    await other.set(NUMBERS, "jane@example.com", 8)
    await server.set("somebody else's", "x")
    said = [await there.get(NUMBERS, "jane@example.com"), await there.get(named, "k")]
    keys = {key: await server.pttl(key) for key in await server.keys("*")}
    await there.delete_namespace(NUMBERS)
    said.append(await here.get(NUMBERS, "jane@example.com"))
    await here.clear()
    said.append(await there.get(named, "k"))
    for cache in (here, there):
        await cache.aclose()
    said.append(await other.get(NUMBERS, "jane@example.com"))
    await other.aclose()
    return said, keys, await server.get("somebody else's")
"""

# Keys of ours that hold what no value is: the server answers with errors of its own.
WRONG_TYPES = """
async def main():
    cache = new()
    async def load():
        return 1
    await cache.set(NUMBERS, "k", 7)
    said = []
    for key in await server.keys("*"):
        await server.delete(key)
        await server.rpush(key, "x")
        said.append([await cache.get(NUMBERS, "k"), await cache.get_or_set(NUMBERS, "k", load)])
        await server.delete(key)
        await cache.set(NUMBERS, "k", 7)
        said.append(await cache.get(NUMBERS, "k"))
    await cache.aclose()
    return said, cache.stats().available
"""

# The server hangs while a value is deleted and another is set, and goes on with what it had.
OUT_OF_REACH = """
async def main():
    cache = new(timeout_s=1)
    for key in "abc":
        await cache.set(NUMBERS, key, 1)
    print("frozen?", flush=True)
    sys.stdin.readline()
    await cache.delete(NUMBERS, "a")
    await cache.set(NUMBERS, "b", 2)
    down = cache.stats().available
    print("thawed?", flush=True)
    sys.stdin.readline()
    while not cache.stats().available:
        await cache.get(NUMBERS, "c")
        await asyncio.sleep(0.01)
    left = [await cache.get(NUMBERS, key) for key in "abc"]
    await cache.aclose()
    return down, left
"""


@pytest.fixture(scope="session")
def project(render: Renderer) -> Path:
    return render("cookiecutter", include_caching=True)


def code_of(project: Path, script: str) -> str:
    return HEAD.replace("PACKAGE", slug_of(project)) + script + TAIL


def play(project: Path, run_in: RunIn, script: str, valkey: Valkey) -> tuple[Any, list[str]]:
    """Run a script in a process that has the rendered package; return its result and its log's events."""
    done = run_in(project, "python", "-c", code_of(project, script), valkey.url, timeout=120)
    events = [json.loads(line)["event"] for line in done.stderr.splitlines()]
    return json.loads(done.stdout), events


def begin(project: Path, script: str, valkey: Valkey) -> subprocess.Popen[str]:
    """Start a script, to talk with it."""
    return subprocess.Popen(
        [rendered_python(), "-c", code_of(project, script), valkey.url],
        cwd=project,
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def test_three_processes_that_miss_at_once_load_once(
    project: Path, run_in: RunIn, valkey: Valkey
) -> None:
    with ThreadPoolExecutor(3) as pool:
        started = [pool.submit(play, project, run_in, STAMPEDE, valkey) for _ in range(3)]
        results = [process.result()[0] for process in started]
    assert [found for found, _, _ in results] == [list(range(1, 11))] * 3, "all have the same"
    assert sum(loads for _, loads, _ in results) == 10
    assert max(total for _, _, total in results) == 10


def test_a_slow_load_keeps_its_lock(project: Path, run_in: RunIn, valkey: Valkey) -> None:
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(play, project, run_in, SLOW_LOAD, valkey) for _ in range(2)]
        assert [process.result()[0] for process in both] == [[1, 1]] * 2


def test_when_the_process_that_loads_dies_another_takes_over(
    project: Path, run_in: RunIn, valkey: Valkey
) -> None:
    holder = begin(project, HANGS, valkey)
    with holder:
        assert holder.stdout
        assert holder.stdout.readline() == "loading\n"
        holder.send_signal(signal.SIGKILL)
    found, events = play(project, run_in, TAKES_OVER, valkey)
    assert found == [2, 2]
    assert "cache_server_down" not in events


def test_a_load_that_another_process_overtook_is_not_stored(
    project: Path, run_in: RunIn, valkey: Valkey
) -> None:
    left, _ = play(project, run_in, OVERTAKEN, valkey)
    gone = [None, None]
    assert left == {"delete": gone, "set": [2, 2], "delete_namespace": gone, "clear": gone}


def test_processes_share_values_and_nothing_with_anybody_else(
    project: Path, run_in: RunIn, valkey: Valkey
) -> None:
    (said, keys, foreign), _ = play(project, run_in, SHARED, valkey)
    assert said == [7, {"a": [1]}, None, None, 8]
    assert foreign == "x"
    assert keys.pop("somebody else's") == -1
    assert all(key.startswith(("{acme:test:1}:", "{acme:test:2}:")) for key in keys)
    assert not [key for key in keys if "jane" in key]
    assert all(left_ms > 0 for left_ms in keys.values()), "something would stay for ever"
    (left_ms,) = [ms for k, ms in keys.items() if k.startswith("{acme:test:1}:v:numbers:1:")]
    assert 0 < left_ms <= 100_000
    assert "{acme:test:1}:v:named:1:k" in keys


def test_keys_of_a_wrong_type_are_misses(project: Path, run_in: RunIn, valkey: Valkey) -> None:
    (said, available), events = play(project, run_in, WRONG_TYPES, valkey)
    assert available
    assert [each for each in said if not isinstance(each, list)] == [7] * (len(said) // 2)
    assert all(each in ([None, 1], [7, 7]) for each in said if isinstance(each, list)), said
    assert "cache_server_down" not in events


def test_what_was_deleted_while_the_server_was_out_of_reach_stays_deleted(
    project: Path, valkey: Valkey
) -> None:
    process = begin(project, OUT_OF_REACH, valkey)
    with process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "frozen?\n"
        valkey.freeze()
        print(file=process.stdin, flush=True)
        assert process.stdout.readline() == "thawed?\n"
        valkey.thaw()
        print(file=process.stdin, flush=True)
        down, left = json.loads(process.stdout.readline())
    assert down is False
    assert left == [None, None, 1]


# --- the command line and the compose file -------------------------------------------------------


def with_url(project: Path, url: str) -> tuple[str, ...]:
    """Return what a command is run by that knows a cache server."""
    return ("env", f"{prefix_of(project)}CACHE__URL={url}")


def test_commands_ask_the_server_and_forget_what_they_are_told_to(
    project: Path, run_in: RunIn, valkey: Valkey
) -> None:
    url = with_url(project, valkey.url)
    script = f"""
import asyncio
from {slug_of(project)}.core.cache import Namespace
from {slug_of(project)}.main import app
async def main():
    cache = app.state.cache
    for name in ("numbers", "words"):
        space = Namespace(name, int)
        await cache.set(space, "k", 1)
        print(await cache.get(space, "k"), await cache.get(space, "none"))
    await cache.aclose()
asyncio.run(main())
"""
    run_in(project, *url, rendered_python(), "-c", script)

    def command(*words: str, stdin: str | None = None) -> str:
        arguments = (rendered_python(), "-m", slug_of(project), "cache", *words)
        return run_in(project, *url, *arguments, stdin=stdin).stdout

    assert command("ping").startswith("The cache server answered in ")
    counted = json.loads(command("stats", "--json"))
    expected = {"hits": 1, "misses": 1, "loads": 0, "stored": 1, "refused": 0}
    assert counted == {"errors": 0, "namespaces": {"numbers:1": expected, "words:1": expected}}
    assert command("stats").splitlines()[1].split() == [
        "numbers:1",
        "1",
        "1",
        "0",
        "1",
        "0",
        "50.0",
    ]
    assert command("clear", "numbers", "--yes") == "Forgot namespace numbers.\n"
    assert "Forget everything" in command("clear", stdin="y\n")
    assert json.loads(command("stats", "--json")) == {"errors": 0, "namespaces": {}}


def test_compose_starts_a_server_and_names_it_to_the_service(project: Path, run_in: RunIn) -> None:
    run_in(
        project,
        "check-jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        "deploy/compose.yaml",
    )
    services = read_yaml(project / "deploy/compose.yaml")["services"]
    assert [name for name, s in services.items() if not s.get("profiles")] == [
        "app",
        "worker",
        "valkey",
    ]
    url = services["app"]["environment"][f"{prefix_of(project)}CACHE__URL"]
    assert url == "valkey://valkey:6379/1"
    assert services["valkey"]["read_only"]


def test_importing_a_service_with_a_cache_imports_no_client_of_a_server(
    project: Path, run_in: RunIn
) -> None:
    script = f"import sys, {slug_of(project)}.main; print(sorted({{'redis', 'typer'}} & set(sys.modules)))"
    assert (
        run_in(
            project, *with_url(project, "valkey://cache.example"), rendered_python(), "-c", script
        ).stdout
        == "[]\n"
    )


def test_a_port_nobody_listens_on_is_an_error_of_the_command_alone(
    project: Path, run_in: RunIn
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"valkey://:s3cr3t@127.0.0.1:{free.getsockname()[1]}"
    arguments = (rendered_python(), "-m", slug_of(project), "cache", "ping")
    done = run_in(project, *with_url(project, url), *arguments, check=False)
    assert done.returncode == 1
    assert "could not be asked" in done.stderr
    assert "s3cr3t" not in done.stderr
