# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What a scheduled task is, what its runs left behind, and what is still to be told."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeAlias
from uuid import uuid4
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, model_validator

from .errors import ScheduleError
from .schedule import Schedule, parse_cron, zone

NotifyCondition: TypeAlias = Literal["always", "on_change", "on_failure"]
ID_PATTERN = r"^[a-z0-9][a-z0-9-]{0,63}$"
# Control characters, line separators and what turns the direction of text around: they would
# change how a terminal, a page or a mail shows the rest.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]")
_ADDRESS = re.compile(
    r"[^@\s<>\"',;:()\[\]\\]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])"
)


def _one_line(text: str) -> str:
    if _UNPRINTABLE.search(text):
        raise ValueError("has a line break or another control character")
    if text != text.strip():
        raise ValueError("begins or ends with a space")
    return text


def _zone_name(name: str) -> str:
    zone(name)
    return name


def _cron(expression: str) -> str:
    return parse_cron(expression).text


def _address(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise ValueError(f"{text!r} is not an address like name@example.com")
    return text


Line = Annotated[str, AfterValidator(_one_line)]


class TaskStatus(StrEnum):
    """How a task is doing."""

    NEW = "new"
    """It has not run yet."""
    OK = "ok"
    """Its last run found nothing to worry about."""
    ALERT = "alert"
    """Its last run found something."""
    ERROR = "error"
    """Its last run could not be carried out, or told about."""
    FAILING = "failing"
    """That happened several times in a row, and the admins were told."""
    BROKEN = "broken"
    """It can't run as it is, and was deactivated."""


class Outcome(StrEnum):
    """How a run ended."""

    OK = "ok"
    ALERT = "alert"
    ERROR = "error"
    MISSED = "missed"
    """Its time was over before it could start."""


class PendingNotice(BaseModel):
    """Something that some channels have yet to tell.

    Attributes:
        number: Counts the notices of a task; with the task it names the message for ever.
        run_id: The run that it tells of.
        hash: Of that run's result.
        channels: Those that have not told it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    run_id: str
    hash: str
    channels: tuple[str, ...]


class MonitoringTask(BaseModel):
    """A check that runs on a schedule, and who is told of what.

    The second half of the fields is written by runs, not by people. Of `cron` and `interval_s`
    exactly one is set.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=False)

    id: str = Field(
        default="",
        pattern=r"^[a-z0-9][a-z0-9-]{0,63}$|^$",
        description="Its name in commands; by default made from the name.",
    )
    name: Line = Field(min_length=1, max_length=120, description="Its name for people.")
    check: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$", description="What it does.")
    parameters: dict[str, JsonValue] = Field(
        default_factory=dict, description="What the check is to look at."
    )
    cron: Annotated[str, AfterValidator(_cron)] | None = Field(
        default=None, description="Five fields, or @hourly, @daily, @weekly, @monthly, @yearly."
    )
    interval_s: int | None = Field(
        default=None,
        ge=1,
        le=31_536_000,
        description="Seconds between runs, counted from 1970, so that every process agrees.",
    )
    timezone: Annotated[str, AfterValidator(_zone_name)] = Field(
        default="UTC", description="Whose clock the cron expression reads."
    )
    recipients: tuple[Annotated[str, AfterValidator(_address)], ...] = Field(
        default=(), max_length=50, description="Mail addresses."
    )
    channels: tuple[str, ...] | None = Field(
        default=None, description="Who tells; by default every channel that is set up."
    )
    notify_condition: NotifyCondition = Field(
        default="on_change", description="always, on_change or on_failure."
    )
    active: bool = Field(default=True, description="Whether it runs by itself.")
    misfire_grace_s: int = Field(
        default=300,
        ge=1,
        le=86_400,
        description="Seconds after which a run that could not start is left out.",
    )

    version: int = 1
    created: datetime = Field(default_factory=lambda: datetime.now(UTC))
    status: TaskStatus = TaskStatus.NEW
    problem: str = ""
    failures: int = 0
    last_hash: str = ""
    last_run: datetime | None = None
    next_run: datetime | None = None
    notices: int = 0
    pending: tuple[PendingNotice, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _named(cls, given: Any) -> Any:  # pydantic's own signature  # noqa: ANN401  # pydantic's own signature
        if isinstance(given, dict) and not given.get("id") and isinstance(given.get("name"), str):
            return given | {"id": slug(given["name"])}
        return given

    @model_validator(mode="after")
    def _one_schedule(self) -> MonitoringTask:
        if (self.cron is None) is (self.interval_s is None):
            raise ValueError("set either cron or interval_s")
        return self

    @property
    def schedule(self) -> Schedule:
        """When it runs."""
        return Schedule(cron=self.cron, interval_s=self.interval_s, timezone=self.timezone)

    def message_key(self, notice: PendingNotice) -> str:
        """Return the name of a message, the same at every attempt to deliver it."""
        # The time of creation keeps a task apart from one that had its id before.
        return f"monitoring:{self.id}:{int(self.created.timestamp() * 1000)}:{notice.number}"


DEFINITION = frozenset(
    (
        "name", "check", "parameters", "cron", "interval_s", "timezone", "recipients", "channels",
        "notify_condition", "active", "misfire_grace_s",
    )
)  # fmt: skip
"""The fields that people write."""


class BrokenPreset(BaseModel):
    """A task that can no longer be read, such as one whose check an update took away.

    Attributes:
        id: Its id.
        name: Its name, as far as it has one.
        active: Whether it still is to run: then somebody has yet to be told.
        problems: What is wrong with it.
        document: What is kept.
    """

    id: str
    name: str
    active: bool
    problems: tuple[str, ...]
    document: dict[str, Any]


class RunRecord(BaseModel):
    """One run of a task.

    Attributes:
        run_id: Names it; the same however often it is tried.
        scheduled_for: The time it was due; None when somebody asked for it.
        summary: One line.
        facts: What the result says, as compared for `on_change`; cut when it is large.
        rows: A table to show, each row a mapping of column to value.
        hash: Of the facts.
        duration_ms: How long the check took.
        told: Channels that told it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    task_id: str
    run_id: str
    scheduled_for: datetime | None = None
    started: datetime
    outcome: Outcome
    summary: str
    facts: JsonValue = None
    rows: tuple[dict[str, JsonValue], ...] = ()
    hash: str = ""
    duration_ms: float = 0.0
    told: tuple[str, ...] = ()


class Change(BaseModel):
    """One change of a task by somebody.

    Attributes:
        by: Who made it, as far as known.
        action: What was done.
        before: The fields that changed, as they were.
        after: The same, as they are.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    at: datetime
    task_id: str
    action: Literal["added", "edited", "removed", "activated", "deactivated"]
    by: str = ""
    reason: str = ""
    before: dict[str, Any] = Field(default_factory=dict)
    after: dict[str, Any] = Field(default_factory=dict)


def slug(name: str) -> str:
    """Return an id made from a name: `Stock of parts` becomes `stock-of-parts`."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", plain)
    return "-".join(words)[:64].rstrip("-") or f"task-{uuid4().hex[:8]}"


def definition(task: MonitoringTask) -> dict[str, Any]:
    """Return what people wrote of a task, as JSON."""
    return task.model_dump(mode="json", include=set(DEFINITION))


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """Return the fields in which two definitions differ, as (before, after)."""
    names = sorted(n for n in before.keys() | after.keys() if before.get(n) != after.get(n))
    return {n: before.get(n) for n in names}, {n: after.get(n) for n in names}


__all__ = [
    "DEFINITION",
    "ID_PATTERN",
    "BrokenPreset",
    "Change",
    "MonitoringTask",
    "NotifyCondition",
    "Outcome",
    "PendingNotice",
    "RunRecord",
    "ScheduleError",
    "TaskStatus",
    "ZoneInfo",
    "definition",
    "differences",
    "slug",
]
