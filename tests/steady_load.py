"""Callers who use tokens of all ages until they are told to stop."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable

LIMIT_S = 60.0


class SteadyLoad:
    """Calls a service from several threads, with the first token and the newest of each.

    Attributes:
        answers: The status of each call.
        failures: What went wrong in the threads.
    """

    def __init__(
        self, token: Callable[[], str], call: Callable[[str], int], *, threads: int
    ) -> None:
        """Begin.

        Args:
            token: Returns a new token.
            call: Calls the service with a token, and returns the status.
            threads: How many call at once.
        """
        self.answers: list[int] = []
        self.failures: list[BaseException] = []
        self._stop = threading.Event()
        self._token, self._call = token, call
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        try:
            tokens = [self._token()]
            for number in itertools.count():
                if self._stop.is_set():
                    return
                if number % 10 == 0:
                    tokens.append(self._token())
                for token in (tokens[0], tokens[-1]):
                    self.answers.append(self._call(token))
        except BaseException as error:  # noqa: BLE001  # the test raises it, in its own thread
            self.failures.append(error)

    def end(self) -> None:
        """Let the callers finish what they are at."""
        self._stop.set()
        for thread in self._threads:
            thread.join(LIMIT_S)
