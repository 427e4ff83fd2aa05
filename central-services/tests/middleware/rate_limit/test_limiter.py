# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Rate limits over HTTP."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from central_services.middleware.security import RateLimitMiddleware

ALGORITHMS = ("token-bucket", "fixed-window", "sliding-window")


def statuses(call, app, count: int, **request) -> list[int]:
    return [call(app, **request).status for _ in range(count)]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_client_gets_its_quota_and_no_more(call, echo, clock, algorithm) -> None:
    app = RateLimitMiddleware(echo, 5, algorithm=algorithm, clock=clock)
    assert statuses(call, app, 7) == [200] * 5 + [429] * 2
    assert len(echo.seen) == 5
    assert statuses(call, app, 1, client=("203.0.113.8", 1)) == [200]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("limit", [1, 3, 7, 60])
def test_who_waits_as_long_as_retry_after_says_gets_through(
    call, echo, clock, algorithm, limit
) -> None:
    app = RateLimitMiddleware(echo, limit, algorithm=algorithm, clock=clock)
    for round_ in range(5):
        clock.now += 7.3 * round_
        while (answer := call(app)).status == 200:
            pass
        assert answer.status == 429
        wait = int(answer.headers["retry-after"])
        assert wait >= 1
        clock.now += wait
        assert call(app).status == 200


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_retry_after_is_not_longer_than_needed(call, echo, clock, algorithm) -> None:
    app = RateLimitMiddleware(echo, 3, algorithm=algorithm, clock=clock)
    while (answer := call(app)).status == 200:
        pass
    clock.now += int(answer.headers["retry-after"]) - 1.001
    assert call(app).status == 429


def test_the_headers_tell_what_is_left(call, echo, clock) -> None:
    app = RateLimitMiddleware(echo, 60, clock=clock)
    headers = call(app).headers
    assert headers["ratelimit-policy"] == '"default";q=60;w=60'
    assert headers["ratelimit"] == '"default";r=59;t=1'
    assert call(app).headers["ratelimit"] == '"default";r=58;t=2'
    clock.now += 1
    assert call(app).headers["ratelimit"] == '"default";r=58;t=2'


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_is_said_to_be_left_is_left(call, echo, clock, algorithm) -> None:
    app = RateLimitMiddleware(echo, 9, algorithm=algorithm, clock=clock)
    for left in range(8, -1, -1):
        assert f";r={left};" in call(app).headers["ratelimit"]
    assert call(app).status == 429


def test_a_refusal_is_a_problem_of_the_registered_type(call, echo, clock) -> None:
    app = RateLimitMiddleware(echo, 1, clock=clock)
    call(app)
    answer = call(app)
    assert answer.problem["type"].endswith("http-problem-types#quota-exceeded")
    assert answer.problem["violated-policies"] == ["default"]
    assert answer.headers["ratelimit"] == '"default";r=0;t=60'
    assert answer.headers["retry-after"] == "60"


def test_a_burst_limits_what_comes_at_once(call, echo, clock) -> None:
    app = RateLimitMiddleware(echo, 60, burst=3, clock=clock)
    assert statuses(call, app, 4) == [200, 200, 200, 429]
    clock.now += 2
    assert statuses(call, app, 3) == [200, 200, 429]


def test_exempt_paths_are_not_counted(call, echo, clock) -> None:
    app = RateLimitMiddleware(echo, 1, clock=clock)
    assert statuses(call, app, 5, path="/health/live") == [200] * 5
    assert "ratelimit" not in call(app, "/health/live").headers
    assert statuses(call, app, 2) == [200, 429]
    assert statuses(call, app, 1, path="/healthy") == [429]


def test_a_route_has_a_quota_of_its_own(call, echo, clock) -> None:
    routes = {"POST /orders": 2, "/orders/{order_id}/lines": 1, "GET /reports": 100}
    app = RateLimitMiddleware(echo, 5, routes=routes, clock=clock)
    post = {"path": "/orders", "method": "POST"}
    assert statuses(call, app, 3, **post) == [200, 200, 429]
    assert call(app, **post).headers["ratelimit-policy"] == '"POST /orders";q=2;w=60'
    assert statuses(call, app, 1, path="/orders/7/cancel", method="POST") == [429]
    assert statuses(call, app, 2, path="/orders/7/lines") == [200, 429]
    assert statuses(call, app, 1, path="/orders/8/lines", method="DELETE") == [429]
    assert statuses(call, app, 6, path="/reports") == [200] * 6
    assert statuses(call, app, 1, path="/reports", method="HEAD") == [200]
    assert statuses(call, app, 6, path="/ordersandmore", method="POST") == [200] * 5 + [429]
    assert statuses(call, app, 1, path="/orders", method="GET") == [429]


@pytest.mark.parametrize("route", ["orders", "", "GET", "GET orders", "G=T /orders"])
def test_a_route_that_is_none_is_refused(echo, route) -> None:
    with pytest.raises(ValueError, match="is no route; write"):
        RateLimitMiddleware(echo, routes={route: 1})


@pytest.mark.parametrize("bad", [{"requests_per_minute": 0}, {"burst": 0}])
def test_a_quota_that_allows_nothing_is_refused(echo, bad) -> None:
    with pytest.raises(ValueError, match="must allow 1 to"):
        RateLimitMiddleware(echo, **bad)


def test_users_are_counted_by_a_key_function(call, echo, clock) -> None:
    app = RateLimitMiddleware(
        echo, 2, key=lambda scope: Request(scope).headers.get("x-user"), clock=clock
    )
    anna, berta = [("X-User", "anna")], [("X-User", "berta")]
    assert statuses(call, app, 3, headers=anna) == [200, 200, 429]
    assert statuses(call, app, 1, headers=anna, client=("198.51.100.1", 1)) == [429]
    assert statuses(call, app, 1, headers=berta) == [200]
    assert statuses(call, app, 3) == [200, 200, 429]


def test_a_user_named_like_an_address_does_not_share_its_quota(call, echo, clock) -> None:
    app = RateLimitMiddleware(
        echo, 1, key=lambda scope: Request(scope).headers.get("x-user"), clock=clock
    )
    assert statuses(call, app, 1) == [200]
    assert statuses(call, app, 1, headers=[("X-User", "203.0.113.7")]) == [200]


def test_ipv6_clients_are_counted_by_their_network(call, echo, clock) -> None:
    app = RateLimitMiddleware(echo, 2, clock=clock)
    addresses = ["2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:2::7"]
    answers = [call(app, client=(address, 1)).status for address in addresses]
    assert answers == [200, 200, 429]
    assert statuses(call, app, 1, client=("2001:db8:1:3::1", 1)) == [200]


def test_an_invented_forwarded_address_buys_nothing(call, echo, clock) -> None:
    app = RateLimitMiddleware(echo, 10, clock=clock)
    answers = [
        call(app, headers=[("X-Forwarded-For", f"198.51.100.{n}, 192.0.2.{n}")]).status
        for n in range(15)
    ]
    assert answers == [200] * 10 + [429] * 5


def test_an_address_that_the_server_took_from_the_header_buys_nothing(call, echo, clock) -> None:
    app = RateLimitMiddleware(echo, 10, clock=clock)
    answers = []
    for n in range(15):
        # What uvicorn makes of it for a peer on the loopback, unless it is told not to.
        spoofed = f"198.51.100.{n}"
        header = [("X-Forwarded-For", spoofed)]
        answers.append(call(app, headers=header, client=(spoofed, 0)).status)
    assert answers == [200] * 10 + [429] * 5


def test_a_trusted_proxy_names_the_client_and_cannot_be_outwitted(call, echo, clock) -> None:
    app = RateLimitMiddleware(echo, 10, trusted_proxies=["10.0.0.0/8"], clock=clock)
    proxy = ("10.0.0.1", 1)
    answers = [
        call(app, headers=[("X-Forwarded-For", f"1.2.3.{n}, 198.51.100.9")], client=proxy).status
        for n in range(15)
    ]
    assert answers == [200] * 10 + [429] * 5
    other = [("X-Forwarded-For", "198.51.100.10")]
    assert call(app, headers=other, client=proxy).status == 200


def test_a_refused_request_is_not_counted_against_the_client(call, echo, clock) -> None:
    app = RateLimitMiddleware(echo, 60, burst=1, clock=clock)
    assert statuses(call, app, 50) == [200] + [429] * 49
    clock.now += 1
    assert statuses(call, app, 1) == [200]
