# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Notifications over webhooks: Slack, Microsoft Teams, and any program that takes JSON."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...clients.errors import BlockedAddressError, HttpClientError, InvalidUrlError
from ..errors import PermanentNotifierError, TransientNotifierError
from ..schemas import MonitoringTask
from .base import Notification

if TYPE_CHECKING:
    from ...clients.http import HttpClient

_ROWS = 20
"""Rows of a table that a chat message shows."""


class _Webhook:
    """Posts JSON to one URL, which is a secret.

    Args:
        http: The service's client, with its guard against calls to the inside.
        url: Where to.
    """

    name = ""

    def __init__(self, http: HttpClient, url: str) -> None:
        self._http = http
        self._url = url

    def applies(self, task: MonitoringTask) -> bool:
        """Always: it is there because a URL was configured."""
        del task
        return True

    async def notify(self, notification: Notification) -> None:
        """Post it."""
        body = json.dumps(self.body(notification), ensure_ascii=False, default=str).encode()
        headers = {"content-type": "application/json", **self.headers(notification, body)}
        try:
            response = await self._http.post(
                self._url, content=body, headers=headers, follow_redirects=False, max_retries=0
            )
        except (BlockedAddressError, InvalidUrlError) as error:
            raise PermanentNotifierError(error.reason) from error
        except HttpClientError as error:
            raise TransientNotifierError(error.reason) from error
        status = response.status_code
        if status >= 500 or status in {408, 429}:
            raise TransientNotifierError(f"{self.name} answered {status}")
        if status >= 300:
            raise PermanentNotifierError(f"{self.name} answered {status}: is its URL right?")

    def headers(self, notification: Notification, body: bytes) -> Mapping[str, str]:
        """Return more headers."""
        del notification, body
        return {}

    def body(self, notification: Notification) -> object:
        """Return what is posted."""
        raise NotImplementedError


class SlackNotifier(_Webhook):
    """Posts to an incoming webhook of Slack."""

    name = "slack"

    def body(self, notification: Notification) -> object:
        """Return a message; `&`, `<` and `>` are all that its markup needs escaped."""
        run = notification.run
        lines = [
            f"*{_slack(notification.headline)}*",
            _slack(run.summary),
            *_rows(notification, _slack),
        ]
        return {"text": "\n".join(lines)[:3000]}


class TeamsNotifier(_Webhook):
    """Posts an adaptive card to a workflow of Microsoft Teams."""

    name = "teams"

    def body(self, notification: Notification) -> object:
        """Return a card."""
        run = notification.run
        texts = [
            {"type": "TextBlock", "text": _teams(line), "wrap": True}
            for line in (run.summary, *_rows(notification, str))
        ]
        headline = {
            "type": "TextBlock",
            "text": _teams(notification.headline),
            "weight": "Bolder",
            "size": "Medium",
            "wrap": True,
        }
        card = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "body": [headline, *texts],
        }
        kind = "application/vnd.microsoft.card.adaptive"
        return {"type": "message", "attachments": [{"contentType": kind, "content": card}]}


class WebhookNotifier(_Webhook):
    """Posts everything that is known as JSON, signed when there is a secret.

    Args:
        http: See `_Webhook`.
        url: The same.
        secret: Key of the signature; the receiver computes HMAC-SHA256 of the body with it.
    """

    name = "webhook"

    def __init__(self, http: HttpClient, url: str, secret: str = "") -> None:
        super().__init__(http, url)
        self._secret = secret

    def headers(self, notification: Notification, body: bytes) -> Mapping[str, str]:
        """Return the key, by which the receiver knows a repetition, and the signature."""
        headers = {"idempotency-key": notification.key}
        if self._secret:
            digest = hmac.new(self._secret.encode(), body, hashlib.sha256).hexdigest()
            headers["x-signature"] = f"sha256={digest}"
        return headers

    def body(self, notification: Notification) -> object:
        """Return the task and the run."""
        task, run = notification.task, notification.run
        return {
            "key": notification.key,
            "service": notification.app_name,
            "task": {"id": task.id, "name": task.name, "check": task.check},
            "run": run.model_dump(mode="json", exclude={"task_id", "told"}),
        }


def _rows(notification: Notification, escape: object) -> list[str]:
    """Return the table as lines."""
    rows = notification.run.rows
    lines = [", ".join(f"{name}: {value}" for name, value in row.items()) for row in rows[:_ROWS]]
    more = [f"and {len(rows) - _ROWS} more"] if len(rows) > _ROWS else []
    return [f"- {_slack(line) if escape is _slack else line}" for line in [*lines, *more]]


def _slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _teams(text: str) -> str:
    """Return text with what its Markdown would make a link or emphasis escaped."""
    return "".join(f"\\{c}" if c in "\\[]()*_`<>!#" else c for c in text)
