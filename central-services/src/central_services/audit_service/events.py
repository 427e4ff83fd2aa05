"""Events as projects send them: CloudEvents 1.0 with OCSF in `data`; read, checked, and what they say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from ..audit.canonical import canonical
from ..audit.errors import InvalidEventError
from ..audit.events import Retention
from .errors import InvalidEventsError, MalformedBatchError

MAX_BATCH = 500
MAX_WORDS = 64
"""Words of one event that it can be found by."""

RESERVED = "urn:slipway:central-ledger"
"""The source of the service's own ledger: nobody else may speak in its name."""

_REQUIRED = ("id", "source", "type", "time")
_ATTRIBUTE = re.compile(r"[a-z0-9]{1,20}").fullmatch
# RFC 3339 section 5.6, with a time zone; what Python would read beside that is no CloudEvents time.
_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
).fullmatch
_CONTROL = re.compile(r"[\x00-\x1f\x7f]").search
_OUTCOMES = frozenset({"success", "failure", "denied"})
_OUTCOME_OF_STATUS = {1: "success", 2: "failure"}
_WORD = re.compile(r"\w[\w.@:/-]*\w|\w").findall


@dataclass(frozen=True, slots=True)
class Event:
    """An event that was checked.

    Attributes:
        source: Who sent it.
        id: What they call it.
        canonical: It as canonical JSON (RFC 8785).
        time: When it happened.
        action: What happened.
        outcome: How it ended; empty where it does not say.
        retention: How long it is kept.
        actor: Who did it; empty where it does not say.
        object: To what, as `kind:id`.
        people: The ids of the people whom it names.
        words: What else it is found by.
        dataschema: The schema that it names; empty where it names none.
    """

    source: str
    id: str
    canonical: bytes
    time: datetime
    action: str
    outcome: str
    retention: Retention
    actor: str
    object: str
    people: tuple[str, ...]
    words: frozenset[str]
    dataschema: str = ""


def read_batch(body: bytes, *, max_event_bytes: int) -> list[Event]:
    """Return the events of a batch (CloudEvents JSON format, section 4).

    Raises:
        MalformedBatchError: It is no JSON array of 1 to 500 values.
        InvalidEventsError: Some of them are no events; `errors` says which and why.
    """
    try:
        values = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise MalformedBatchError("Send a JSON array of events.") from None
    if not isinstance(values, list) or not 1 <= len(values) <= MAX_BATCH:
        raise MalformedBatchError(f"Send a JSON array of 1 to {MAX_BATCH} events.")
    events, errors = [], []
    for index, value in enumerate(values):
        try:
            event = read_event(value, max_event_bytes=max_event_bytes)
            if event.source == RESERVED:
                raise InvalidEventError("source: it is the ledger's own")  # noqa: TRY301  # as others are
            events.append(event)
        except InvalidEventError as error:
            wrong = {"index": index, "pointer": f"#/{index}", "detail": str(error)}
            errors.append(wrong)
    if errors:
        raise InvalidEventsError("Some events are not valid; none was stored.", errors=errors)
    return events


def read_event(value: object, *, max_event_bytes: int) -> Event:
    """Return a value as an event.

    Raises:
        InvalidEventError: It is none; the text names attributes, no values.
    """
    if not isinstance(value, dict):
        raise InvalidEventError("an event is a JSON object")
    _check_attributes(value)
    text = canonical(value)
    if len(text) > max_event_bytes:
        raise InvalidEventError(f"larger than {max_event_bytes} bytes")
    data: Mapping[str, Any] = value["data"]
    people = dict.fromkeys(_people(data))
    actor = _text(_part(data, "actor", "user"), "uid")
    subject = _text(value, "subject")
    return Event(
        source=value["source"],
        id=value["id"],
        canonical=text,
        time=_moment(value["time"]),
        action=_text(data, "activity_name")[:255] or value["type"].removeprefix("audit."),
        outcome=_outcome(data),
        retention=_retention(data),
        actor=actor,
        object=subject,
        people=tuple(people),
        words=frozenset(_words(value)),
        dataschema=_text(value, "dataschema"),
    )


def _check_attributes(value: Mapping[str, Any]) -> None:
    if value.get("specversion") != "1.0":
        raise InvalidEventError("specversion: only 1.0 is taken")
    for name in _REQUIRED:
        given = value.get(name)
        if not isinstance(given, str) or not 1 <= len(given) <= 255 or _CONTROL(given):
            raise InvalidEventError(f"{name}: 1 to 255 characters, no control characters")
    for name, given in value.items():
        if name in {"data", "data_base64"}:
            continue
        if not _ATTRIBUTE(name):
            raise InvalidEventError("the name of an attribute has 1 to 20 of a-z and 0-9")
        if not isinstance(given, str | bool | int) or _CONTROL(str(given)):
            raise InvalidEventError(f"{name}: an attribute is text, a whole number or a boolean")
    for name in ("subject", "dataschema"):
        if not isinstance(value.get(name, ""), str):
            raise InvalidEventError(f"{name}: text")
    if "data_base64" in value or not isinstance(value.get("data"), dict):
        raise InvalidEventError("data: an OCSF event, as a JSON object")
    if type(value["data"].get("class_uid")) is not int:
        raise InvalidEventError("data.class_uid: the OCSF class, a whole number")


def is_time(text: str) -> bool:
    """Whether a text is a time with a time zone, as RFC 3339 writes it."""
    return _TIME(text) is not None


def _moment(text: str) -> datetime:
    if not is_time(text):
        raise InvalidEventError("time: a time with a time zone, as in 2026-11-22T10:00:00Z")
    try:
        moment = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidEventError("time: there is no such time") from None
    # A leap to either end of the calendar can't be compared with others.
    if not 1970 <= moment.year <= 9000:
        raise InvalidEventError("time: between the years 1970 and 9000")
    return moment


def expiry(event: Event, days: Mapping[Retention, int]) -> datetime | None:
    """Return when the content of an event may go."""
    if event.retention is Retention.PERMANENT:
        return None
    return event.time + timedelta(days=days[event.retention])


def _outcome(data: Mapping[str, Any]) -> str:
    detail = data.get("status_detail")
    if isinstance(detail, str) and detail in _OUTCOMES:
        return detail
    status = data.get("status_id")
    return _OUTCOME_OF_STATUS.get(status, "") if isinstance(status, int) else ""


def _retention(data: Mapping[str, Any]) -> Retention:
    labels = _part(data, "metadata").get("labels")
    for label in labels if isinstance(labels, list) else ():
        kind, _, name = label.partition(":") if isinstance(label, str) else ("", "", "")
        if kind == "retention" and name in set(Retention):
            return Retention(name)
    return Retention.STANDARD


def _people(data: Mapping[str, Any]) -> Iterator[str]:
    """Yield the ids of people: OCSF users of type 1, those who act and those it is about."""
    for user in (_part(data, "actor", "user"), _part(data, "user")):
        if user.get("type_id") == 1 and _text(user, "uid"):
            yield _text(user, "uid")


def _words(value: Mapping[str, Any]) -> Iterator[str]:
    """Yield the words of what people wrote and named, each in lower case, not too many."""
    data = value["data"]
    seen: set[str] = set()
    parts = (value.get("subject"), data.get("message"), _part(data, "unmapped"), data)
    for text in _texts(parts, depth=0):
        for word in _WORD(text.lower()):
            if len(word) <= 100 and word not in seen:
                seen.add(word)
                yield word
                if len(seen) == MAX_WORDS:
                    return


_NOT_SEARCHED = frozenset({"metadata", "category_name", "class_name", "severity", "type"})


def _texts(value: object, *, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict) and depth < 8:
        for name, item in value.items():
            if name not in _NOT_SEARCHED:
                yield from _texts(item, depth=depth + 1)
    elif isinstance(value, list | tuple) and depth < 8:
        for item in value:
            yield from _texts(item, depth=depth + 1)


def words_of(query: str) -> list[str]:
    """Return the words of a search."""
    return list(dict.fromkeys(_WORD(query.lower())))[:10]


def _part(value: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    found: Any = value
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _text(value: Mapping[str, Any], name: str) -> str:
    found = value.get(name)
    return found if isinstance(found, str) else ""
