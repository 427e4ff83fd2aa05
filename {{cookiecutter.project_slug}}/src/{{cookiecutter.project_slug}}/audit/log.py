# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The audit log: record an event, and know that it is kept."""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from ..utils.context import current_request
from ..utils.logging import get_logger
from . import catalogue as _catalogue  # noqa: F401  # registers the platform's own actions
from .actions import ACTIONS, Action, ActionRegistry
from .canonical import canonical
from .checkpoint import NoteSigner, NoteVerifier
from .errors import AuditKeyError, InvalidEventError, UnregisteredActionError
from .events import (
    SYSTEM,
    Actor,
    AuditEvent,
    DataClass,
    Outcome,
    Retention,
    Target,
    event_id_from,
    new_event_id,
    utc_now,
)
from .key_file import KeyFile
from .keys import MasterKey, SubjectKeys, development_secrets
from .records import RecordCodec, Stored
from .sealer import Sealer
from .store import FILE, KEYS, Inbox

if TYPE_CHECKING:
    from pydantic import BaseModel

    from ..core.audit_settings import AuditSettings

    Values = Mapping[str, Any] | BaseModel

log = get_logger(__name__)


@dataclass(frozen=True)
class AuditSecrets:
    """The keys that a trail is kept with.

    Attributes:
        signer: Signs checkpoints.
        master: Wraps subject keys and authenticates events that wait to be sealed.
        verifier: Knows this log's key and the ones it had before.
    """

    signer: NoteSigner
    master: MasterKey
    verifier: NoteVerifier

    @classmethod
    def of(cls, settings: AuditSettings) -> AuditSecrets:
        """Return the keys that the settings name; without any, keys for development.

        Raises:
            AuditKeyError: When a key is malformed.
        """
        signing, master = _given(settings)
        if not (signing and master):
            made = development_secrets(settings.path, settings.origin)
            signing, master = signing or made[0], master or made[1]
        return cls.parse(settings, signing, master)

    @classmethod
    def parse(cls, settings: AuditSettings, signing: str, master: str) -> AuditSecrets:
        """Return keys from their texts.

        Raises:
            AuditKeyError: When one is malformed, or signs for another log.
        """
        signer = NoteSigner.parse(signing)
        if signer.name != settings.origin:
            raise AuditKeyError(f"the signing key is that of {signer.name}, not {settings.origin}")
        if settings.replica:
            signer = signer.of_replica(settings.log_name)
        trusted = (signer.verification_key, *settings.trusted_keys)
        return cls(signer, MasterKey.parse(master), NoteVerifier(trusted))


def _given(settings: AuditSettings) -> tuple[str, str]:
    return (
        settings.signing_key.get_secret_value() if settings.signing_key else "",
        settings.master_key.get_secret_value() if settings.master_key else "",
    )


def check_audit_settings(settings: AuditSettings) -> None:
    """Read the keys that the settings hold, without opening anything.

    Raises:
        AuditKeyError: When one is malformed, or signs for another log.
    """
    signing, master = _given(settings)
    if signing and master:
        AuditSecrets.parse(settings, signing, master)


class _Said(NamedTuple):
    """What an event says beside who, what and when."""

    data: dict[str, Any]
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    data_class: DataClass
    retention: Retention
    conformance: Literal["registered", "unregistered", "invalid"]


class TransactionalStore(Protocol):
    """Records an event in the transaction of a caller."""

    async def add(self, event: AuditEvent, session: object) -> str | None:
        """Put an event into the transaction, unless it is there already.

        Returns:
            None, or the record of the earlier event, as `Inbox.add` does.

        Raises:
            TypeError: When the session is none.
            AuditConflictError: When another event has its idempotency key.
        """
        ...


class AuditLog:
    """Records events in the trail's own file, and seals them in the background.

    Close it to store and seal what waits.

    Attributes:
        settings: The settings it was opened with.
        secrets: Its keys.
        keys: The keys of subjects.
        codec: Turns events into records and back.
        outbox: Records in callers' transactions; None without a database.
        problems: Says why events of transactions don't arrive; empty when they do.
    """

    def __init__(
        self,
        settings: AuditSettings,
        *,
        strict: bool = True,
        actions: ActionRegistry = ACTIONS,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """Open the trail; `strict` makes an event that does not fit an error.

        Raises:
            sqlite3.Error: When the trail can't be written.
            AuditKeyError: When a key is malformed, or is not the trail's.
        """
        self.settings = settings
        self._strict = strict
        self._actions = actions
        self._clock = clock
        self.secrets = AuditSecrets.of(settings)
        self.keys = SubjectKeys(KeyFile(settings.path / KEYS), self.secrets.master)
        days = {Retention(name): count for name, count in settings.retention_days.items()}
        self.codec = RecordCodec(actions, self.keys, self.secrets.master, days)
        self.outbox: TransactionalStore | None = None
        self.problems: Callable[[], str] = str
        self._stored = threading.Event()
        writing = threading.Lock()
        self.sealer = Sealer(
            self.file, self.secrets.signer, self.secrets.master, writing=writing, clock=clock
        )
        self._inbox = Inbox(
            self.file,
            self.codec,
            writing=writing,
            stored=self._stored,
            max_batch=settings.max_batch,
            max_pending=settings.max_pending,
        )

    @property
    def file(self) -> Path:
        """The trail's file."""
        return self.settings.path / FILE

    def start_sealing(self) -> None:
        """Seal in the background from now on."""
        self.sealer.start(self.settings.seal_interval_s, self._stored)

    @property
    def problem(self) -> str:
        """Why events are not stored or not sealed at the moment; empty when all is well."""
        if not self._inbox.is_alive:
            return "the writer has stopped"
        return self.sealer.last_error or self.problems()

    def close(self) -> None:
        """Store and seal what waits, and close the files."""
        self._inbox.close()
        self.sealer.close(self._stored)
        self.keys.close()

    async def record(
        self,
        action: str | Action,
        *,
        target: Target | str,
        outcome: Outcome | Literal["success", "failure", "denied"] = Outcome.SUCCESS,
        reason: str | None = None,
        actor: Actor | None = None,
        before: Values | None = None,
        after: Values | None = None,
        subjects: Sequence[str] = (),
        data: Values | None = None,
        idempotency_key: str = "",
        session: object | None = None,
    ) -> AuditEvent:
        """Record an event and return it once it is on the disk.

        With a session it is in the session's transaction, and on the disk when that is committed.

        Args:
            action: A registered action, or its name.
            target: What was acted on, or `kind:id`.
            outcome: How it ended.
            reason: Why, in words.
            actor: Who did it; this service itself by default.
            before: The fields that changed, as they were.
            after: The same, as they are now.
            subjects: The ids of the people it is about, as an actor's id names them. By default
                the actor, when that is a person.
            data: What else the action's schema has.
            idempotency_key: A second event of this action with this key is not stored again; the
                first one is returned.
            session: The `AsyncSession` of the transaction that makes the change, where the
                project has a database.

        Raises:
            UnregisteredActionError: When nobody registered the action (not in production).
            InvalidEventError: When it does not fit the action's schema (not in production).
            AuditConflictError: When another event has the idempotency key.
            AuditUnavailableError: When it could not be stored. Undo what it tells of.
        """
        name = action.name if isinstance(action, Action) else action
        said = self._checked(name, data or {}, before, after)
        request = current_request.get()
        event = AuditEvent(
            id=new_event_id(),
            time=self._clock(),
            action=name,
            actor=actor or SYSTEM,
            target=Target.parse(target),
            outcome=outcome if isinstance(outcome, Outcome) else Outcome(outcome),
            reason=reason,
            before=said.before,
            after=said.after,
            data=said.data,
            subjects=tuple(subjects),
            data_class=said.data_class,
            retention=said.retention,
            request_id=request.request_id if request else "",
            trace_id=request.trace_id if request else "",
            conformance=said.conformance,
        )
        if idempotency_key:
            event = self._idempotent(event, idempotency_key)
        if session is None:
            earlier = await self._inbox.add(event)
        elif self.outbox is None:
            raise TypeError("session: this service has no database, or was not started")
        else:
            earlier = await self.outbox.add(event, session)
        return self.codec.as_recorded(event, earlier) if earlier else event

    def take_now(self, stored: Sequence[Stored]) -> None:
        """Put records that were kept elsewhere into the trail, unless they are there; it blocks.

        Raises:
            AuditUnavailableError: When they could not be stored.
        """
        self._inbox.take_now(stored)

    def _checked(
        self, name: str, data: Values, before: Values | None, after: Values | None
    ) -> _Said:
        """Return the values of an event as plain JSON that fits the action's schema."""
        try:
            action = self._actions.get(name)
            return _Said(
                action.check("data", data),
                None if before is None else action.check("before", before),
                None if after is None else action.check("after", after),
                action.data_class,
                action.retention,
                "registered",
            )
        except (UnregisteredActionError, InvalidEventError) as error:
            if self._strict:
                raise
            # Kept all the same: the free schema takes anything, and each field gets encrypted.
            log.exception("audit_event_nonconforming", action=name)
            invalid = isinstance(error, InvalidEventError)
        free = Action(name, "", state=None)
        return _Said(
            free.check("before", data),
            None if before is None else free.check("before", before),
            None if after is None else free.check("before", after),
            free.data_class,
            free.retention,
            "invalid" if invalid else "unregistered",
        )

    def _idempotent(self, event: AuditEvent, key: str) -> AuditEvent:
        """Give an event the id that its idempotency key makes, and a mark of what it says."""
        content = {
            "action": event.action,
            "outcome": event.outcome.value,
            "target": str(event.target),
            "reason": event.reason,
            "data": event.data,
            "before": event.before,
            "after": event.after,
            "subjects": list(event.subjects),
        }
        secret = self.secrets.master.naming
        digest = hmac.digest(secret, canonical(["event", event.action, key]), "sha256")
        mark = hmac.digest(secret, canonical(["content", content]), "sha256")
        return replace(event, id=event_id_from(digest), fingerprint=mark.hex()[:32])
