"""Events: taken in, searched, exported; and their receipts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BeforeValidator

from ...api.problems import problem_responses
from ...kit.cursors import InvalidCursorError
from .. import schemas
from ..actions import EXPORTED, SEARCHED
from ..dependencies import REFUSALS, Audit, AuditParts, Reader, Writer, WriterOrReader
from ..errors import (
    EventConflictError,
    InvalidEventsError,
    MalformedBatchError,
    MediaTypeError,
    OverloadedError,
    UnknownThingError,
)
from ..events import is_time, read_batch, words_of
from ..ingest import Batch
from ..repository import Search
from ..service import Shown

router = APIRouter(prefix="/v1", tags=["events"])

BATCH = "application/cloudevents-batch+json"
_EVENT: dict[str, Any] = {
    "type": "object",
    "required": ["specversion", "id", "source", "type", "time", "data"],
    "properties": {
        "specversion": {"type": "string", "enum": ["1.0"]},
        "id": {"type": "string", "minLength": 1, "maxLength": 255},
        "source": {"type": "string", "minLength": 1, "maxLength": 255},
        "type": {"type": "string", "minLength": 1, "maxLength": 255},
        "time": {"type": "string", "format": "date-time"},
        "subject": {"type": "string"},
        "dataschema": {"type": "string"},
        "data": {
            "type": "object",
            "required": ["class_uid"],
            "properties": {"class_uid": {"type": "integer"}},
        },
    },
}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            BATCH: {"schema": {"type": "array", "minItems": 1, "maxItems": 500, "items": _EVENT}}
        },
    }
}


def _written(value: object) -> object:
    """Refuse a number, which pydantic would take for seconds since 1970."""
    if isinstance(value, str) and not is_time(value):
        raise ValueError("write a time with a time zone, as in 2026-11-22T10:00:00Z")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_written)]

_PLAIN = r"^[^\x00-\x1f\x7f]*$"


@router.post(
    "/events",
    summary="Store events",
    responses=problem_responses(
        *REFUSALS,
        MalformedBatchError,
        MediaTypeError,
        InvalidEventsError,
        EventConflictError,
        OverloadedError,
    ),
    openapi_extra=_BODY,
)
async def store_events(request: Request, parts: AuditParts, caller: Writer) -> schemas.Accepted:
    """Store a batch of CloudEvents: all of it or nothing. The answer comes once it is on the disk.

    An event that comes again, by its source and id, is stored once.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != BATCH:
        raise MediaTypeError(f"Send {BATCH}.")
    events = read_batch(await request.body(), max_event_bytes=parts.settings.max_event_bytes)
    await parts.schemas.check(caller.tenant, events)
    taken = await parts.ingest.take(Batch(caller.tenant, caller.subject, events))
    accepted = [
        schemas.AcceptedEvent(id=item.id, seq=item.seq, duplicate=item.duplicate) for item in taken
    ]
    return schemas.Accepted(accepted=accepted)


@router.post("/receipts", summary="Get receipts", responses=problem_responses(*REFUSALS, 422))
async def get_receipts(
    wanted: schemas.ReceiptsWanted, parts: AuditParts, caller: WriterOrReader
) -> schemas.Receipts:
    """Return the receipts of events; with `audit:write` alone, of those that the caller has sent."""
    sender = None if caller.permissions & {"audit:read", "audit:admin"} else caller.subject
    trail = parts.trail(caller.tenant)
    found = await trail.receipts(wanted.ids, source=wanted.source, sender=sender)
    return schemas.Receipts(receipts=found.receipts, pending=found.pending, unknown=found.unknown)


def shown(event: Shown) -> schemas.StoredEvent:
    """Return an event as the API shows it."""
    row = event.row
    return schemas.StoredEvent(
        seq=row.seq,
        source=row.source,
        id=row.event_id,
        time=row.time,
        received_at=row.received_at,
        action=row.action,
        outcome=row.outcome,
        commitment=row.commitment.hex(),
        erased=event.opened is None,
        event=event.opened.event if event.opened else None,
    )


def utc(moment: datetime | None) -> datetime | None:
    """Return a time in UTC; one at the end of the calendar, which has none there, as it is there."""
    try:
        return moment.astimezone(UTC) if moment else None
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if moment and moment.year > 1 else None


class Wanted:
    """What somebody looks for, from the query."""

    def __init__(
        self,
        actor: Annotated[str, Query(max_length=255, description="Who did it.")] = "",
        object_: Annotated[
            str, Query(alias="object", max_length=255, description="To what: kind:id.")
        ] = "",
        action: Annotated[
            str,
            Query(
                max_length=255,
                pattern=_PLAIN,
                description="An action, or with a dot at its end the beginning of one.",
            ),
        ] = "",
        outcome: Literal["", "success", "failure", "denied"] = "",
        source: Annotated[str, Query(max_length=255, description="The project.")] = "",
        text: Annotated[str, Query(max_length=255, description="Words, all of them.")] = "",
        since: Annotated[Moment | None, Query(description="At or after it.")] = None,
        until: Annotated[Moment | None, Query(description="Before it.")] = None,
    ) -> None:
        self.actor, self.object, self.action, self.outcome = actor, object_, action, outcome
        self.source, self.text = source, text
        self.since, self.until = utc(since), utc(until)

    @property
    def scope(self) -> dict[str, str]:
        """What makes two searches the same list."""
        times = {
            name: moment.isoformat() if moment else ""
            for name, moment in (("since", self.since), ("until", self.until))
        }
        names = ("actor", "object", "action", "outcome", "source", "text")
        return {**{name: getattr(self, name) for name in names}, **times}

    def search(self, words: tuple[int, ...]) -> Search:
        """Return the search, with the hashes of its words."""
        return Search(words, self.action, self.outcome, self.since, self.until)

    @property
    def fields(self) -> dict[str, str | list[str]]:
        """What is looked for by hash."""
        found: dict[str, str | list[str]] = {"actor": self.actor, "object": self.object}
        return {**found, "source": self.source, "text": words_of(self.text)}


Query_ = Annotated[Wanted, Depends()]


@router.get(
    "/events",
    summary="Search events",
    responses=problem_responses(*REFUSALS, InvalidCursorError, 422),
)
async def search_events(
    wanted: Query_,
    parts: AuditParts,
    caller: Reader,
    audit: Audit,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=1_000)] = None,
) -> schemas.EventPage:
    """Return sealed events that match, the latest first. Each search is recorded."""
    trail = parts.trail(caller.tenant)
    await record_search(audit, caller.tenant, wanted)
    found, more = await trail.search(
        wanted.search(trail.words(**wanted.fields)),
        cursor=cursor,
        limit=limit,
        scope=wanted.scope,
    )
    return schemas.EventPage(items=[shown(event) for event in found], next=more)


async def record_search(audit: Audit, tenant: str, wanted: Wanted) -> None:
    """Record that somebody reads events, before they do."""
    asked = ", ".join(f"{name}={value}" for name, value in wanted.scope.items() if value)
    data = {"tenant": tenant, "query": asked}
    await audit.record(SEARCHED, target=f"trail:{tenant}", data=data)


@router.get(
    "/events/{event_id:path}",
    summary="Get an event",
    responses=problem_responses(*REFUSALS, UnknownThingError, 422),
)
async def get_event(
    event_id: Annotated[str, Path(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")],
    parts: AuditParts,
    caller: Reader,
    audit: Audit,
    source: Annotated[str, Query(max_length=255, pattern=_PLAIN)] = "",
) -> schemas.StoredEvent:
    """Return an event, of one source or the first of any."""
    data = {"tenant": caller.tenant, "query": f"id={event_id}"}
    await audit.record(SEARCHED, target=f"trail:{caller.tenant}", data=data)
    return shown(await parts.trail(caller.tenant).find(event_id, source))


@router.get(
    "/export",
    summary="Export events",
    response_class=Response,
    responses={
        **problem_responses(*REFUSALS, 422),
        200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}},
    },
)
async def export_events(
    parts: AuditParts,
    caller: Reader,
    audit: Audit,
    after: Annotated[int, Query(ge=-1, le=2**53, description="Index of the last one had.")] = -1,
    since: Annotated[Moment | None, Query()] = None,
    until: Annotated[Moment | None, Query()] = None,
) -> Response:
    """Stream events in the order of the log: CloudEvents as they were sent, one JSON object a line."""
    data = {"tenant": caller.tenant, "query": f"after={after}"}
    await audit.record(EXPORTED, target=f"trail:{caller.tenant}", data=data)
    lines: AsyncIterator[bytes] = parts.trail(caller.tenant).export(
        after=after, since=utc(since), until=utc(until)
    )
    return StreamingResponse(lines, media_type="application/x-ndjson")
