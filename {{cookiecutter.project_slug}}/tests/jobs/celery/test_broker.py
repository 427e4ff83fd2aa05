# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Which brokers can be named, and what they are told."""

from __future__ import annotations

import pytest

from {{ cookiecutter.project_slug }}.jobs.celery.broker import Broker


@pytest.mark.parametrize(
    ("url", "kind", "spelt"),
    [
        ("", "memory", "memory://localhost/"),
        ("amqp://u:p@mq:5672//", "amqp", "amqp://u:p@mq:5672//"),
        ("amqps://mq/orders", "amqp", "amqps://mq/orders"),
        ("valkey://host:6379/0", "redis", "redis://host:6379/0"),
        ("valkeys://host/1", "redis", "rediss://host/1"),
    ],
)
def test_broker_is_known_by_its_url(url: str, kind: str, spelt: str) -> None:
    broker = Broker.named(url)
    assert (broker.kind, broker.url) == (kind, spelt)


@pytest.mark.parametrize(
    "url", ["amqp://", "nats://secret@host", "valkey://", "unix:///run/valkey.sock", "secret"]
)
def test_broker_that_is_none_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match="JOBS__URL") as refused:
        Broker.named(url)
    assert "secret" not in str(refused.value)


def test_higher_priority_is_a_higher_number_but_on_redis() -> None:
    assert [Broker("", "amqp").priority(one) for one in (1, 0, -1)] == [2, 1, 0]
    assert [Broker("", "redis").priority(one) for one in (1, 0, -1)] == [0, 1, 2]


def test_rabbitmq_confirms_and_redis_gives_back_after_two_leases() -> None:
    assert Broker("", "amqp").options("orders", 15)["confirm_publish"] is True
    assert Broker("", "redis").options("orders", 15)["visibility_timeout"] == 30


def test_queues_of_services_that_share_a_broker_have_their_own_names() -> None:
    queue = Broker("", "amqp").queue("orders", "mail")
    assert (queue.name, queue.durable) == ("orders.mail", True)
    assert vars(queue)["queue_arguments"] == {"x-max-priority": 2}
