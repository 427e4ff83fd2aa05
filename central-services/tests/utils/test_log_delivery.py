# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""When log lines are written, and that none is lost, mixed or written twice."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import threading
from typing import Any

import pytest

from central_services.utils._log_writer import BATCH, LogWriter
from central_services.utils.logging import get_logger, setup_logging
from central_services.utils.redaction import REDACTED

pytestmark = pytest.mark.usefixtures("restored")

early = get_logger("early")
CLASSIC = logging.getLogger("library.child")


@pytest.mark.anyio
async def test_lines_wait_ten_milliseconds_on_a_loop_and_errors_do_not(lines: Any) -> None:
    early.info("waits")
    assert lines.getvalue() == ""
    written = asyncio.Event()
    asyncio.get_running_loop().call_later(0.05, written.set)
    await written.wait()
    assert "waits" in lines.getvalue()
    early.info("waits_too")
    early.error("does_not")
    assert [json.loads(t)["event"] for t in lines.getvalue().splitlines()][1:] == [
        "waits_too",
        "does_not",
    ]


@pytest.mark.anyio
async def test_full_buffer_is_written_at_once() -> None:
    stream = io.StringIO()
    writer = LogWriter(lambda: stream)
    for _ in range(BATCH - 1):
        writer.write(b"line\n", False, now=1.0)
    assert stream.getvalue() == ""
    writer.write(b"line\n", False, now=1.0)
    assert stream.getvalue() == "line\n" * BATCH


def test_without_a_loop_lines_are_written_at_once(lines: Any) -> None:
    early.info("now")
    assert "now" in lines.getvalue()


def test_lines_left_by_a_loop_that_ended_are_written_with_the_next(lines: Any) -> None:
    async def leave() -> None:
        early.info("left_behind")

    asyncio.run(leave())
    early.error("next")
    assert [line["event"] for line in lines.all()] == ["left_behind", "next"]


def test_threads_lose_and_mix_nothing(lines: Any) -> None:
    def work(name: int) -> None:
        for number in range(100):
            early.info("line", name=name, number=number)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = [(line["name"], line["number"]) for line in lines.all()]
    assert len(seen) == len(set(seen)) == 800
    assert [n for name, n in seen if name == 3] == list(range(100))


def test_closed_stream_does_not_fail_the_caller() -> None:
    stream = io.StringIO()
    setup_logging(json_logs=True, stream=stream)
    stream.close()
    early.error("nobody_hears")


def test_logging_while_a_line_is_written_is_not_lost() -> None:
    class Chatty(io.StringIO):
        said = False

        def write(self, text: str) -> int:
            if not self.said:
                self.said = True
                CLASSIC.error("from_inside")
            return super().write(text)

    stream = Chatty()
    setup_logging(json_logs=True, stream=stream)
    early.error("first")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == [
        "first",
        "from_inside",
    ]


def test_import_sets_nothing_up_and_leaves_rich_alone(run: Any) -> None:
    done = run(
        "import logging, structlog, sys\n"
        "assert not logging.root.handlers and not structlog.is_configured()\n"
        "get_logger('a').info('not written'); get_logger('a').warning('written', password='p')\n"
        "import rich\n"
        "print('rich.console' in sys.modules, 'sentry_sdk' in sys.modules)\n"
    )
    assert done.stdout.split() == ["False", "False"]
    assert "not written" not in done.stderr
    assert f"password={REDACTED}" in done.stderr


def test_exit_and_fork_lose_and_repeat_nothing(run: Any) -> None:
    done = run(
        "import asyncio, os, warnings\n"
        "setup_logging(json_logs=True)\n"
        "warnings.simplefilter('always')\n"
        "async def main():\n"
        "    get_logger('a').info('before_fork')\n"
        "    pid = os.fork()\n"
        "    if not pid:\n"
        "        get_logger('a').info('in_child'); flush(); os._exit(0)\n"
        "    os.waitpid(pid, 0)\n"
        "    asyncio.get_running_loop().call_exception_handler({'message': 'token=abc'})\n"
        "    warnings.warn('old, password=abc')\n"
        "    get_logger('a').info('last')\n"
        "asyncio.run(main())\n"
    )
    events = [json.loads(line) for line in done.stdout.splitlines()]
    names = [(line["logger"], line["event"].split("\n")[0]) for line in events]
    assert names[:3] == [("a", "before_fork"), ("a", "in_child"), ("asyncio", f"token={REDACTED}")]
    assert names[3][0] == "py.warnings"
    assert names[4] == ("a", "last")
    assert "abc" not in done.stdout


def test_loggers_with_a_console_of_their_own_lose_it(run: Any) -> None:
    # uvicorn sets this up before it imports the application. In a process of its own, because
    # pytest adds handlers of its own to loggers that don't propagate.
    done = run(
        "import logging, sys\n"
        "for name in ('uvicorn', 'uvicorn.access'):\n"
        "    logging.getLogger(name).addHandler(logging.StreamHandler(sys.stderr))\n"
        "    logging.getLogger(name).propagate = False\n"
        "setup_logging(json_logs=True)\n"
        "logging.getLogger('uvicorn.error').info('Started', extra={'color_message': 'x'})\n"
        "logging.getLogger('uvicorn.access').info('GET /')\n"
        # uvicorn asks this to find out whether anybody wants access lines.
        "assert not logging.getLogger('uvicorn.access').hasHandlers()\n"
    )
    line = json.loads(done.stdout)
    assert (line["logger"], line["event"], done.stderr) == ("uvicorn.error", "Started", "")
    assert "color_message" not in line
