"""A booted service under load while its cache server dies or hangs, and comes back."""

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from booting import Service, serving
from projects import prefix_of
from rendering import Renderer, copy_project, slug_of
from valkey_server import Valkey

pytestmark = pytest.mark.slow

CALLERS = 12
KEYS = 40
WITHIN_S = 30.0
"""Longest wait for anything; a test that waits this long fails."""

BACK_WITHIN_S = 10.0
"""The bar's "within seconds": the longest pause between two attempts is 2 s, on a machine that has time."""

ROUTER = """
from functools import partial

from fastapi import APIRouter

from .core.cache import Cache, Namespace

WORDS = Namespace("words", str, ttl_s=600)
router = APIRouter()
loads = []


async def load(word: str) -> str:
    loads.append(word)
    return word.upper()


@router.get("/words/{word}")
async def word(word: str, cache: Cache) -> str:
    return await cache.get_or_set(WORDS, word, partial(load, word))


@router.delete("/words/{word}")
async def forget(word: str, cache: Cache) -> None:
    await cache.delete(WORDS, word)


@router.get("/state")
async def state(cache: Cache) -> dict[str, int]:
    stats = cache.stats()
    return {
        "available": stats.available,
        "hits": stats.total.hits,
        "errors": stats.errors,
        "loads": len(loads),
    }
"""


@pytest.fixture
def project(render: Renderer, tmp_path: Path) -> Path:
    """A service with an endpoint that caches."""
    copied = copy_project(render("cookiecutter", include_caching=True), tmp_path / "project")
    package = copied / "src" / slug_of(copied)
    (package / "words.py").write_text(ROUTER)
    main = (package / "main.py").read_text("utf-8")
    main = main.replace("routers=[orders]", "routers=[orders, words]").replace(
        "from .settings", "from .words import router as words\nfrom .settings"
    )
    (package / "main.py").write_text(main, "utf-8")
    return copied


def environment(project: Path, valkey: Valkey) -> dict[str, str]:
    prefix = prefix_of(project)
    return {
        f"{prefix}ENVIRONMENT": "test",
        f"{prefix}RATE_LIMIT__ENABLED": "false",
        f"{prefix}LOG_LEVEL": "WARNING",
        f"{prefix}CACHE__URL": valkey.url,
    }


class Load:
    """Callers that ask without a pause; what they were answered."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stop = threading.Event()
        self.answers: list[tuple[int, bytes, bytes]] = []
        self.broken: list[str] = []
        self.slowest = 0.0
        self._threads = [threading.Thread(target=self._call, args=(n,)) for n in range(CALLERS)]

    def _call(self, caller: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=WITHIN_S)
        number = caller
        while not self._stop.is_set():
            number += CALLERS
            word = f"w{number % KEYS}"
            began = time.monotonic()
            try:
                connection.request("GET", f"/words/{word}")
                answer = connection.getresponse()
                self.answers.append((answer.status, word.encode(), answer.read()))
            except (OSError, http.client.HTTPException) as error:
                self.broken.append(repr(error))
                break
            self.slowest = max(self.slowest, time.monotonic() - began)
        connection.close()

    @contextmanager
    def running(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()

    def more(self, count: int) -> None:
        """Wait until so many more requests were answered."""
        goal = len(self.answers) + count
        until(lambda: len(self.answers) >= goal or bool(self.broken))


def until(condition: Any, seconds: float = WITHIN_S) -> float:
    """Wait until a condition holds, and return the seconds that it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"not within {seconds} s"
        threading.Event().wait(0.01)
    return time.monotonic() - began


def state(service: Service) -> dict[str, int]:
    found: dict[str, int] = service.call("GET", "/state").json
    return found


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_no_request_fails_without_the_server_and_it_is_used_again_when_it_is_back(
    project: Path, valkey: Valkey, how: str
) -> None:
    with serving(project, **environment(project, valkey)) as service:
        load = Load(service.port)
        with load.running():
            load.more(300)
            until(lambda: state(service)["available"])
            assert state(service)["hits"] > 0
            if how == "killed":
                valkey.kill()
            else:
                valkey.freeze()
            until(lambda: not state(service)["available"])
            load.more(500)
            if how == "killed":
                valkey.start()
            else:
                valkey.thaw()
            until(lambda: state(service)["available"], BACK_WITHIN_S)
            hits = state(service)["hits"]
            until(lambda: state(service)["hits"] > hits + 100)
            after = state(service)
        until(lambda: service.call("GET", "/health/ready").json["status"] == "ready")
    assert load.broken == []
    wrong = [a for a in load.answers if a[0] != 200 or a[2] != b'"%s"' % a[1].upper()]
    assert wrong == [], f"{len(wrong)} of {len(load.answers)} requests failed"
    assert after["errors"] > 0, "the outage was not felt: the test proves nothing"


def test_a_dead_server_is_degraded_and_not_an_outage(project: Path, valkey: Valkey) -> None:
    with serving(project, **environment(project, valkey)) as service:
        until(lambda: service.call("GET", "/health/ready").json["status"] == "ready")
        valkey.kill()
        until(lambda: service.call("GET", "/health/ready").json["status"] == "degraded")
        answer = service.call("GET", "/health/ready")
        assert answer.status == 200
        assert answer.json["degraded"] == ["cache"]
        valkey.start()
        until(lambda: service.call("GET", "/health/ready").json["status"] == "ready")


def test_two_services_share_values_and_deletions(project: Path, valkey: Valkey) -> None:
    variables = environment(project, valkey)
    with ExitStack() as stack:
        one, other = (stack.enter_context(serving(project, **variables)) for _ in range(2))
        assert one.call("GET", "/words/tea").json == "TEA"
        assert other.call("GET", "/words/tea").json == "TEA"
        assert [state(service)["loads"] for service in (one, other)] == [1, 0]
        assert one.call("DELETE", "/words/tea").status == 200
        assert other.call("GET", "/words/tea").json == "TEA"
        assert [state(service)["loads"] for service in (one, other)] == [1, 1]
