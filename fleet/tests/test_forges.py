"""Calls to forges wait when they are told to, and never double a request."""

import pytest
from slipway_fleet.errors import ForgeError
from slipway_fleet.forges import GitHub, GitLab, NewRequest
from slipway_fleet.updates.delivery import Throttle

from tests.forge_servers import FakeGitHub, FakeGitLab

NEW = NewRequest("slipway/v2", "main", "Update", "Body", draft=True, labels=("slipway",))


@pytest.mark.parametrize(
    ("status", "headers", "waits"),
    [
        (429, {"retry-after": "7"}, [7.0]),
        (403, {"retry-after": "11"}, [11.0]),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}, [1.0]),
        (429, {}, [60.0]),
        (503, {}, [1.0]),
    ],
)
def test_limited_call_waits_as_long_as_it_is_told(
    status: int, headers: dict[str, str], waits: list[float]
) -> None:
    waited: list[float] = []
    with FakeGitHub() as server:
        server.answers_first = [(status, headers, {"message": "slow down"})]
        forge = GitHub(server.url, server.token, sleep=waited.append)
        assert forge.repositories("acme") == []
        forge.close()
    assert waited == waits


def test_wait_of_more_than_an_hour_is_an_error_that_says_so() -> None:
    with FakeGitHub() as server:
        server.answers_first = [(429, {"retry-after": "7200"}, {})]
        forge = GitHub(server.url, server.token)
        with pytest.raises(ForgeError, match="7200 s: run again then"):
            forge.repositories("acme")
        forge.close()


def test_forbidden_without_a_limit_is_not_tried_again() -> None:
    waited: list[float] = []
    with FakeGitHub() as server:
        server.answers_first = [(403, {}, {"message": "no access"})] * 9
        forge = GitHub(server.url, server.token, sleep=waited.append)
        with pytest.raises(ForgeError, match="403 no access"):
            forge.repositories("acme")
        forge.close()
        assert len(server.calls) == 1
    assert waited == []


def test_failed_creation_is_not_sent_twice() -> None:
    with FakeGitHub() as server:
        forge = GitHub(server.url, server.token)
        server.answers_first = [(200, {}, []), (502, {}, {})]
        with pytest.raises(ForgeError, match="502"):
            forge.open("acme/orders", NEW)
        assert [method for method, _, _ in server.calls] == ["GET", "POST"]
        forge.close()


def test_next_page_on_another_host_is_not_followed() -> None:
    with FakeGitHub() as server:
        link = {"link": '<https://evil.example.com/orgs/acme/repos?page=2>; rel="next"'}
        server.answers_first = [(200, link, [])]
        forge = GitHub(server.url, server.token)
        with pytest.raises(ForgeError, match="another host"):
            forge.repositories("acme")
        forge.close()


@pytest.mark.parametrize("kind", ["github", "gitlab"])
def test_open_request_is_brought_up_to_date_and_not_doubled(kind: str) -> None:
    server = FakeGitHub() if kind == "github" else FakeGitLab()
    with server:
        make = GitHub if kind == "github" else GitLab
        forge = make(server.url, server.token)
        first = forge.open("acme/orders", NEW)
        second = forge.open("acme/orders", NEW)
        assert (first.number, first.draft) == (second.number, True)
        assert len(server.requests) == 1
        forge.close_request("acme/orders", first.number)
        found = forge.find("acme/orders", NEW.branch)
        assert found is not None
        assert found.state == "closed"
        assert forge.find("acme/orders", "another") is None
        forge.close()


def test_throttle_spaces_calls() -> None:
    now, waited = [0.0], []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        now[0] += seconds

    throttle = Throttle(30, clock=lambda: now[0], sleep=sleep)
    for _ in range(3):
        throttle.wait()
    now[0] += 100
    throttle.wait()
    assert waited == [2.0, 2.0]
