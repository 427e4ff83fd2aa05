# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What is called how in NATS: one stream, its subjects and its consumers."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from hashlib import blake2b

LINES = {1: "high", 0: "normal", -1: "low"}
"""The name of each priority's line, the one that goes first first."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")


class Names:
    """Names of one service's jobs.

        <namespace>.jobs.job.<id>                         a job's record
        <namespace>.jobs.ready.<queue>.<line>.<id>        it can start
        <namespace>.jobs.waiting.<queue>.<id>             a schedule that makes it ready
        <namespace>.jobs.dead.<queue>.<id>                it is a dead letter
        <namespace>.jobs.unique.<digest>                  which job has a unique key
        <namespace>.jobs.rate.<queue>                     when a queue's next job may start
        <namespace>.jobs.woken.<queue>.<line>.<id>        what the server says when one gets ready

    Args:
        namespace: What they start with.
    """

    def __init__(self, namespace: str) -> None:
        self.stream = f"{namespace}-jobs"
        self.root = f"{namespace}.jobs"
        self.subjects = [
            f"{self.root}.{kind}.>"
            for kind in ("job", "ready", "waiting", "dead", "unique", "rate")
        ]

    def record(self, job_id: str) -> str:
        """Return the subject of a job's record."""
        return f"{self.root}.job.{token(job_id)}"

    def ready(self, queue: str, priority: int, job_id: str) -> str:
        """Return the subject of a job that can start."""
        return f"{self.root}.ready.{queue}.{LINES[priority]}.{token(job_id)}"

    def waiting(self, queue: str, job_id: str) -> str:
        """Return the subject of the schedule of a job that waits for its time."""
        return f"{self.root}.waiting.{queue}.{token(job_id)}"

    def dead(self, queue: str, job_id: str) -> str:
        """Return the subject of a dead letter."""
        return f"{self.root}.dead.{queue}.{token(job_id)}"

    def unique(self, key: str) -> str:
        """Return the subject of a unique key, which can hold anything."""
        return f"{self.root}.unique.{blake2b(key.encode(), digest_size=16).hexdigest()}"

    def rate(self, queue: str) -> str:
        """Return the subject of a queue's rate limit."""
        return f"{self.root}.rate.{queue}"

    def consumer(self, queue: str, line: str) -> str:
        """Return the name of the consumer of a queue's line."""
        return f"{queue}-{line}"

    def queue_of(self, subject: str) -> str:
        """Return the queue in a subject that has one."""
        return subject.removeprefix(f"{self.root}.").split(".")[1]

    def record_of(self, subject: str) -> str:
        """Return the subject of the record of the job that another subject is about."""
        return f"{self.root}.job.{subject.rpartition('.')[2]}"


def token(job_id: str) -> str:
    """Return a job's id as a part of a subject, which knows no dots, blanks or wildcards."""
    if _TOKEN.fullmatch(job_id):
        return job_id
    return "=" + urlsafe_b64encode(job_id.encode()).decode().rstrip("=")
