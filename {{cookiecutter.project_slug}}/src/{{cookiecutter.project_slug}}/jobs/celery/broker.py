# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The brokers that Celery carries jobs over, and what is set for each."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from ...utils.valkey import redis_url
from ..errors import JobsUnavailableError
from .ledger import Ticket

if TYPE_CHECKING:
    from celery import Celery  # type: ignore[import-untyped]  # Celery has no types
    from kombu.entity import Queue

MESSAGE_HEADER = "job_message"
"""Header of a message that tells it from others about the same job."""

CONNECT_S = 4.0
HEARTBEAT_S = 20
"""How long a connection may be silent before RabbitMQ begins to doubt it."""

Kind = Literal["amqp", "redis", "memory"]


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker.

    Attributes:
        url: As kombu spells it.
        kind: How it behaves: RabbitMQ, Valkey and Redis, or within this process.
    """

    url: str
    kind: Kind

    @classmethod
    def named(cls, url: str) -> Broker:
        """Return the broker of a setting; an empty one stays within each worker.

        Raises:
            ValueError: When it is none that is supported; the message does not repeat its password.
        """
        if not url:
            return cls("memory://localhost/", "memory")
        scheme = url.partition("://")[0]
        if scheme in {"amqp", "amqps"}:
            if not urlsplit(url).hostname:
                raise ValueError(
                    "JOBS__URL names no server: write amqp://user:password@host:5672//"
                )
            return cls(url, "amqp")
        if scheme == "unix":
            raise ValueError(
                "JOBS__URL: Celery reaches Valkey over TCP; write valkey://host:6379/0"
            )
        return cls(redis_url(url, setting="JOBS__URL"), "redis")

    def priority(self, priority: int) -> int:
        """Return a job's priority in the broker's numbers; Redis starts with the lowest."""
        return 1 - priority if self.kind == "redis" else 1 + priority

    def options(self, namespace: str, lease_s: float) -> dict[str, Any]:
        """Return kombu's `broker_transport_options`."""
        if self.kind == "amqp":
            # A message counts as sent when the broker says that it has it, on disk.
            return {"confirm_publish": True, "client_properties": {"connection_name": namespace}}
        if self.kind == "memory":
            return {"polling_interval": 0.01}
        return {
            # Only for messages that a worker took and did not start: the ledger starts again what
            # was running, and a copy of a running job's message is dropped. So it can be short.
            "visibility_timeout": max(10.0, 2 * lease_s),
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "priority_steps": [0, 1, 2],
            "queue_order_strategy": "priority",
            "global_keyprefix": f"{namespace}:",
            "socket_connect_timeout": CONNECT_S,
            "socket_keepalive": True,
            "health_check_interval": 25,
        }

    def queue(self, namespace: str, name: str) -> Queue:
        """Return a queue of this service; other services on the broker have their own names."""
        from kombu.entity import Exchange, Queue  # noqa: PLC0415  # not before a job is sent

        exchange = Exchange(namespace, type="direct", durable=True)  # type: ignore[no-untyped-call]  # kombu
        return Queue(  # type: ignore[no-untyped-call]  # as above
            f"{namespace}.{name}",
            exchange,
            routing_key=name,
            durable=True,
            queue_arguments={"x-max-priority": 2} if self.kind == "amqp" else None,
        )


class Publisher:
    """Sends jobs to the broker. Blocks; any thread may call it, one at a time gets through.

    Args:
        app: The Celery application.
        broker: Its broker.
        namespace: Goes before the names of queues.
    """

    def __init__(self, app: Celery, broker: Broker, namespace: str) -> None:
        self._app = app
        self._broker = broker
        self._namespace = namespace
        self._lock = threading.Lock()
        self._queues: dict[str, Queue] = {}

    def publish(self, tickets: Sequence[Ticket]) -> None:
        """Send a message for each job, and return when the broker has all of them.

        Raises:
            JobsUnavailableError: When it could not be reached; it may have some of them.
        """
        with self._lock:
            try:
                with self._app.producer_or_acquire() as producer:
                    for ticket in tickets:
                        self._publish(producer, ticket)
            except Exception as error:
                # Each transport has errors of its own, and what is none of them is no less away.
                raise JobsUnavailableError from error

    def has_messages(self, queue: str) -> bool:
        """Return whether the broker has messages of a queue that no worker has taken.

        Raises:
            JobsUnavailableError: When it could not be asked.
        """
        name = self._broker.queue(self._namespace, queue).name
        try:
            with self._app.connection_or_acquire() as connection:
                # An empty queue is none for Valkey, so there it is declared again.
                passive = self._broker.kind == "amqp"
                declared = connection.default_channel.queue_declare(queue=name, passive=passive)
                return bool(declared.message_count)
        except Exception as error:  # the same as for `publish`
            raise JobsUnavailableError from error

    def _publish(self, producer: Any, ticket: Ticket) -> None:  # noqa: ANN401  # kombu has no types
        queue = self._queues.get(ticket.queue)
        if queue is None:
            queue = self._queues[ticket.queue] = self._broker.queue(self._namespace, ticket.queue)
        self._app.send_task(
            ticket.task,
            task_id=ticket.id,
            producer=producer,
            queue=queue,
            priority=self._broker.priority(ticket.priority),
            headers={MESSAGE_HEADER: secrets.token_hex(8)},
            ignore_result=True,
            retry_policy={"max_retries": 1, "interval_start": 0},
        )

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            self._app.close()
