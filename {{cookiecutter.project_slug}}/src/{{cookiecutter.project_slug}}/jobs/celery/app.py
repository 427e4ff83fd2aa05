# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The Celery application, built from the settings; nothing is connected by building it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from celery import Celery  # type: ignore[import-untyped]  # Celery has no types
from celery.exceptions import Reject  # type: ignore[import-untyped]  # as above

from .broker import CONNECT_S, HEARTBEAT_S, MESSAGE_HEADER, Broker
from .deliveries import GiveBack

if TYPE_CHECKING:
    from ..definition import Task


def create_app(broker: Broker, namespace: str, *, lease_s: float) -> Celery:
    """Return an application for a broker.

    Args:
        broker: The broker.
        namespace: The service's name: goes before the names of its queues and keys.
        lease_s: See `JobsSettings`.
    """
    app = Celery(namespace, broker=broker.url, set_as_current=False)
    app.conf.update(
        broker_transport_options=broker.options(namespace, lease_s),
        broker_connection_timeout=CONNECT_S,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_heartbeat=HEARTBEAT_S,
        # A message that is not JSON is refused unread: pickle would run what it says.
        accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        event_serializer="json",
        # A message goes when its job has an outcome, and comes back when its worker goes first.
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        # Outcomes are in the ledger, which can also list them.
        task_ignore_result=True,
        task_create_missing_queues=True,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        # Threads would send them over a connection that another one reads.
        worker_send_task_events=False,
        control_queue_durable=False,
        enable_utc=True,
    )
    return app


def register(
    app: Celery, tasks: Sequence[Task[..., Any]], handle: Callable[[str, str, bool], None]
) -> None:
    """Make every task a Celery task, which hands (job id, message, redelivered) to the worker."""

    def called(celery_task: Any, *_args: object, **_kwargs: object) -> None:  # noqa: ANN401  # Celery has no types
        request = celery_task.request
        message = (request.headers or {}).get(MESSAGE_HEADER, "")
        redelivered = bool(request.delivery_info.get("redelivered"))
        try:
            handle(request.id, message, redelivered)
        except GiveBack as reason:
            raise Reject(repr(reason), requeue=True) from None

    for one in tasks:
        # Not shared: a second application of this process would get this one's handler.
        app.task(called, bind=True, name=one.name, typing=False, max_retries=None, shared=False)
    app.finalize()
