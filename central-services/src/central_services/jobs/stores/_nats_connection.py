# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""A connection to a NATS server on which many questions are under way at the same time."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import orjson

from ...utils.logging import get_logger
from ..errors import JobsUnavailableError

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

_WRONG_SEQUENCE = frozenset({10071, 10164})
_READ_AT_ONCE = 512
_RECONNECT_S = 0.1

EXPECTED = "Nats-Expected-Last-Subject-Sequence"
"""A message is stored only if its subject's newest one has this sequence; 0 for none."""


class Message(NamedTuple):
    """What is to be published."""

    subject: str
    data: bytes = b""
    headers: dict[str, str] | None = None


class Stored(NamedTuple):
    """What a stream has under a subject."""

    sequence: int
    data: bytes


class Answer(NamedTuple):
    """One message that answers a question; `status` is empty when it has content."""

    status: str
    subject: str
    sequence: int
    data: bytes


class Connection:
    """Publishes and asks, each many times at once, with one subscription for all answers.

    Args:
        url: nats:// or tls:// URL with credentials.
        name: What the server calls this client.
        timeout_s: Seconds for each answer.
    """

    def __init__(self, url: str, *, name: str, timeout_s: float) -> None:
        self._url = url
        self._name = name
        self.timeout_s = timeout_s
        self._client: Client | None = None
        self._inbox = ""
        self._numbers = itertools.count()
        self._waiting: dict[str, Callable[[Answer], None]] = {}

    @property
    def client(self) -> Client:
        """The client.

        Raises:
            JobsUnavailableError: When it was closed, or not opened.
        """
        if self._client is None:
            raise JobsUnavailableError("the job store is closed")
        return self._client

    @property
    def is_open(self) -> bool:
        """Whether there is a client; it may be looking for its server."""
        return self._client is not None

    async def open(self, wait_s: float) -> None:
        """Connect; later on the client finds its server again by itself.

        Raises:
            JobsUnavailableError: When nothing answers in time, or it refuses.
        """
        from nats.aio.client import Client  # noqa: PLC0415  # needed only with a URL
        from nats.errors import Error  # noqa: PLC0415  # needed only with a URL

        client = Client()
        try:
            async with asyncio.timeout(max(wait_s, self.timeout_s)):
                await client.connect(
                    [self._url],
                    name=self._name,
                    connect_timeout=max(1, int(self.timeout_s)),
                    reconnect_time_wait=cast("int", _RECONNECT_S),  # it sleeps for so long
                    max_reconnect_attempts=-1,
                    ping_interval=20,
                    error_cb=_ignore,
                    disconnected_cb=self._lost,
                    reconnected_cb=self._back,
                )
                self._inbox = client.new_inbox()
                await client.subscribe(f"{self._inbox}.*", cb=self._answered)
        except (Error, OSError, TimeoutError, ValueError) as error:
            with suppress(Error, OSError, TimeoutError):  # it has never been open
                await client.close()
            raise unavailable(error) from error
        self._client = client

    async def aclose(self) -> None:
        """Send what is waiting, and close."""
        from nats.errors import Error  # noqa: PLC0415  # needed only with a URL

        client, self._client = self._client, None
        if client is not None:
            with suppress(
                Error, OSError, TimeoutError
            ):  # a connection that broke can't be closed well
                if client.is_connected:
                    await client.flush(2)
                await client.close()

    async def _lost(self) -> None:
        if self._client is not None:
            get_logger(__name__).warning("jobs_server_down")

    async def _back(self) -> None:
        get_logger(__name__).info("jobs_server_up")

    async def _answered(self, message: Msg) -> None:
        number = message.subject.rpartition(".")[2]
        waiting = self._waiting.get(number)
        if waiting is not None:
            headers: dict[str, str] = message.headers or {}
            waiting(
                Answer(
                    headers.get("Status", ""),
                    headers.get("Nats-Subject", ""),
                    int(headers.get("Nats-Sequence", 0)),
                    message.data,
                )
            )

    async def subscribe(
        self, subject: str, heard: Callable[[Msg], Awaitable[None]] | None = None
    ) -> Subscription:
        """Listen to a subject, again after each reconnect.

        Raises:
            JobsUnavailableError: When there is no connection.
        """
        from nats.errors import Error  # noqa: PLC0415  # needed only with a URL

        try:
            return await self.client.subscribe(subject, cb=heard)
        except (Error, OSError) as error:
            raise unavailable(error) from error

    async def send(self, subject: str, data: bytes = b"") -> None:
        """Publish without waiting: acknowledgements, which the server answers with silence.

        Raises:
            JobsUnavailableError: When there is no connection.
        """
        from nats.errors import Error  # noqa: PLC0415  # needed only with a URL

        try:
            await self.client.publish(subject, data)
        except (Error, OSError) as error:
            raise unavailable(error) from error

    async def ask_for(self, subject: str, data: bytes, inbox: str) -> None:
        """Publish a question whose answers come to a subscription of the caller's.

        Raises:
            JobsUnavailableError: When there is no connection.
        """
        await self._publish(Message(subject, data), inbox, None)

    async def publish(self, messages: Sequence[Message]) -> list[int]:
        """Store messages, each by itself, and return their sequences; 0 where `EXPECTED` did not hold.

        Raises:
            JobsUnavailableError: When one was not acknowledged in time; others may be stored.
        """
        answers = await self._ask((message, _whole) for message in messages)
        return [_acknowledged(answer[0]) for answer in answers]

    async def publish_together(self, messages: Sequence[Message]) -> list[int]:
        """Store up to 1,000 messages, all or none, and return their sequences; empty for none.

        The server stages such a batch in a file of its own, which takes milliseconds (measured: 20 to
        30 for a batch of two, on a busy machine): not for what is alone.

        Raises:
            JobsUnavailableError: When it was not acknowledged in time.
        """
        batch = f"{self._inbox.rpartition('.')[2]}-{next(self._numbers)}"
        for number, message in enumerate(messages, 1):
            headers = {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}
            if number == len(messages):
                headers["Nats-Batch-Commit"] = "1"
                together = Message(message.subject, message.data, headers | (message.headers or {}))
                last = (await self.publish([together]))[0]
                return [*range(last - number + 1, last + 1)] if last else []
            await self._publish(message, "", headers | (message.headers or {}))
        return []

    async def read(self, stream: str, subjects: Iterable[str]) -> dict[str, Stored]:
        """Return the newest message under each subject that has one.

        Raises:
            JobsUnavailableError: When there is no answer in time.
        """
        wanted = list(dict.fromkeys(subjects))
        parts = [wanted[at : at + _READ_AT_ONCE] for at in range(0, len(wanted), _READ_AT_ONCE)]
        questions = [
            Message(f"$JS.API.DIRECT.GET.{stream}", orjson.dumps({"multi_last": part}))
            for part in parts
        ]
        answers = await self._ask((question, _ends) for question in questions)
        return {
            one.subject: Stored(one.sequence, one.data)
            for answer in answers
            for one in answer
            if not one.status
        }

    async def manage(self, operation: str, **body: object) -> dict[str, Any]:
        """Return what JetStream answers to an operation such as `STREAM.INFO.name`.

        Raises:
            JobsUnavailableError: When it does not, or with an error that is not a missing thing.
        """
        question = Message(f"$JS.API.{operation}", orjson.dumps(body) if body else b"")
        answer = (await self._ask([(question, _whole)]))[0][0]
        found: dict[str, Any] = orjson.loads(answer.data)
        problem = found.get("error")
        if problem and problem.get("code") != 404:
            raise JobsUnavailableError(f"JetStream refused {operation}: {problem['description']}")
        return found

    async def _ask(
        self, questions: Iterable[tuple[Message, Callable[[Answer], bool]]]
    ) -> list[list[Answer]]:
        """Return all answers to each question; the function knows the last one."""
        loop = asyncio.get_running_loop()
        numbers, futures = [], []
        try:
            for message, is_last in questions:
                number, future = str(next(self._numbers)), loop.create_future()
                numbers.append(number)
                futures.append(future)
                self._waiting[number] = _collector(future, is_last)
                await self._publish(message, f"{self._inbox}.{number}", message.headers)
            async with asyncio.timeout(self.timeout_s):
                answers = [await future for future in futures]
        except TimeoutError as error:
            raise unavailable(error) from error
        finally:
            for number in numbers:
                del self._waiting[number]
        if any(answer[-1].status == "503" for answer in answers):
            raise JobsUnavailableError("The job server has no JetStream, or is not ready yet.")
        return answers

    async def _publish(self, message: Message, reply: str, headers: dict[str, str] | None) -> None:
        from nats.errors import Error  # noqa: PLC0415  # needed only with a URL

        if not self.client.is_connected:
            # The client would keep it for later: whoever waits would be told that it failed.
            raise JobsUnavailableError("The connection to the job server is down; see JOBS__URL.")
        try:
            await self.client.publish(message.subject, message.data, reply=reply, headers=headers)
        except (Error, OSError) as error:
            raise unavailable(error) from error


def _collector(
    future: asyncio.Future[list[Answer]], is_last: Callable[[Answer], bool]
) -> Callable[[Answer], None]:
    answers: list[Answer] = []

    def collect(answer: Answer) -> None:
        answers.append(answer)
        if is_last(answer) and not future.done():
            future.set_result(answers)

    return collect


def _whole(_: Answer) -> bool:
    return True


def _ends(answer: Answer) -> bool:
    return bool(answer.status)


def _acknowledged(answer: Answer) -> int:
    said = orjson.loads(answer.data)
    problem = said.get("error")
    if not problem:
        return int(said["seq"])
    if problem.get("err_code") in _WRONG_SEQUENCE:
        return 0
    raise JobsUnavailableError(f"The job server did not store it: {problem['description']}")


def unavailable(error: Exception) -> JobsUnavailableError:
    """Return what callers see for an error of the client, whose text can hold the URL."""
    return JobsUnavailableError(
        f"The job server did not do what it was asked ({type(error).__name__}); see JOBS__URL."
    )


async def _ignore(_: Exception) -> None:
    """Say nothing: the client reports each attempt to reconnect, whose beginning is logged once."""
