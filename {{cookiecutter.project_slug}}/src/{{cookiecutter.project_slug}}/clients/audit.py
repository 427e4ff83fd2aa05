# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The central audit service: send events, get receipts, and check one without asking anybody."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

import orjson

from ..audit.canonical import canonical
from ..audit.checkpoint import Checkpoint, CheckpointError, NoteVerifier
from ..audit.tlog_proof import TlogProof
from .credentials import Credentials, ServiceTokenError, ServiceTokens, reaching
from .errors import HttpClientError
from .resilience import parse_retry_after

if TYPE_CHECKING:
    from pydantic import SecretStr

    from ..core.central_audit_settings import CentralAuditSettings
    from ..core.config import HttpClientSettings
    from .http import HttpClient

BATCH = "application/cloudevents-batch+json"
TIMEOUT_S = 30.0
MAX_RECEIPTS = 500

_REFUSED = frozenset({400, 409, 413, 422})


class AuditServiceUnavailableError(Exception):
    """The service can't be reached, or not now; the text says why.

    Attributes:
        retry_after_s: Seconds that the service asks to wait; None when it does not say.
    """

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class BatchRefusedError(Exception):
    """The service will never take this batch; nothing of it was stored.

    Attributes:
        indexes: Which events are at fault; empty when the answer does not say.
    """

    def __init__(self, reason: str, indexes: Sequence[int] = ()) -> None:
        super().__init__(reason)
        self.indexes = tuple(indexes)


@dataclass(frozen=True, slots=True)
class Receipts:
    """What the service knows of some events.

    Attributes:
        receipts: A c2sp.org/tlog-proof@v1 for each event that is sealed.
        pending: Those that are stored and not yet sealed.
        unknown: Those that it does not have, though it may have had them.
    """

    receipts: Mapping[str, str]
    pending: frozenset[str]
    unknown: frozenset[str] = frozenset()


class TokenSource(Protocol):
    """Gives tokens for the service."""

    async def token(self) -> str:
        """Return a token.

        Raises:
            AuditServiceUnavailableError: When there is none to be had.
        """
        ...

    def forget(self, token: str) -> None:
        """Drop a token that was refused."""
        ...


class FixedToken:
    """A token that an operator set; nothing can be done when it is refused."""

    def __init__(self, token: SecretStr) -> None:
        self._token = token

    async def token(self) -> str:
        """Return the token."""
        return self._token.get_secret_value()

    def forget(self, token: str) -> None:
        """Keep it: there is no other."""


class IssuedTokens:
    """Tokens that this service gets from its issuer.

    Args:
        tokens: Returns what gets and keeps them.
        audience: The audit service.
    """

    def __init__(self, tokens: Callable[[], ServiceTokens], audience: str) -> None:
        self._tokens = tokens
        self._audience = audience

    async def token(self) -> str:
        """Return a token; see `TokenSource`."""
        try:
            return await self._tokens().token(self._audience)
        except ServiceTokenError as error:
            raise AuditServiceUnavailableError(str(error)) from error

    def forget(self, token: str) -> None:
        """Let the next call get another."""
        self._tokens().forget(self._audience, token)


class AuditServiceClient:
    """Speaks to the audit service.

    Args:
        settings: Where it is.
        http: How it is called; it may be inside the network.
        central: Returns this service's own tokens; used where the settings name no others.
    """

    def __init__(
        self,
        settings: CentralAuditSettings,
        http: HttpClientSettings,
        central: Callable[[], ServiceTokens] | None = None,
    ) -> None:
        self._settings = settings
        self._http_settings = http
        self._client: HttpClient | None = None
        self._own: ServiceTokens | None = None
        self._tokens = self._choose(central)

    async def aclose(self) -> None:
        """Close its connections."""
        if self._own is not None:
            await self._own.aclose()
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def send(self, events: Sequence[str]) -> Mapping[str, int | None]:
        """Send events, each JSON; return the id of each with its number in the service's log, if any.

        All of them are on the service's disk then. An event may be sent again: it is stored once.

        Raises:
            AuditServiceUnavailableError: Try again later.
            BatchRefusedError: Never as they are.
        """
        answer = await self._post("/v1/events", ("[" + ",".join(events) + "]").encode(), BATCH)
        accepted = answer.get("accepted")
        if not isinstance(accepted, list) or len(accepted) != len(events):
            raise AuditServiceUnavailableError("it answered something else than the wire says")
        return {str(one.get("id")): one.get("seq") for one in accepted if isinstance(one, dict)}

    async def receipts(self, source: str, ids: Sequence[str]) -> Receipts:
        """Return the receipts of events, as far as they are there; errors as for `send`."""
        body = orjson.dumps({"ids": list(ids), "source": source})
        answer = await self._post("/v1/receipts", body, "application/json")
        receipts, pending = answer.get("receipts"), answer.get("pending")
        unknown = answer.get("unknown", [])
        if not (
            isinstance(receipts, dict) and isinstance(pending, list) and isinstance(unknown, list)
        ):
            raise AuditServiceUnavailableError("it answered something else than the wire says")
        return Receipts(receipts, frozenset(pending), frozenset(unknown))

    async def _post(self, path: str, body: bytes, kind: str) -> dict[str, object]:
        """Send a request; once more with another token when the first one is refused."""
        for attempt in (1, 2):
            token = await self._tokens.token() if self._tokens is not None else ""
            headers = {"content-type": kind, "idempotency-key": sha256(body).hexdigest()}
            if token:
                headers["authorization"] = f"Bearer {token}"
            try:
                answer = await self._http().post(
                    self._settings.url + path, content=body, headers=headers, timeout_s=TIMEOUT_S
                )
            except HttpClientError as error:
                raise AuditServiceUnavailableError(str(error)) from error
            if answer.status_code != 401 or self._tokens is None or attempt == 2:
                break
            self._tokens.forget(token)
        try:
            document = orjson.loads(answer.content)
        except orjson.JSONDecodeError:
            document = None
        found = document if isinstance(document, dict) else {}
        if answer.status_code == 200:
            return found
        reason = f"{answer.status_code} {found.get('title', '')}: {found.get('detail', '')}"[:300]
        if answer.status_code in _REFUSED:
            raise BatchRefusedError(reason, _indexes(found))
        wait = parse_retry_after(answer.headers.get("retry-after"))
        raise AuditServiceUnavailableError(reason, wait)

    def _choose(self, central: Callable[[], ServiceTokens] | None) -> TokenSource | None:
        """Return what calls authenticate with; None where nothing is known."""
        settings = self._settings
        if settings.token is not None:
            return FixedToken(settings.token)
        if settings.client_id is None or settings.token_url is None:
            return IssuedTokens(central, settings.token_audience) if central is not None else None
        url = settings.token_url

        async def token_url() -> str:
            return url

        known = Credentials(settings.client_id, settings.client_secret, settings.client_key)
        self._own = own = ServiceTokens(known, self._http, token_url)
        return IssuedTokens(lambda: own, settings.token_audience)

    def _http(self) -> HttpClient:
        if self._client is None:
            from .http import HttpClient  # noqa: PLC0415  # imports the HTTP library

            urls = (self._settings.url, self._settings.token_url)
            self._client = HttpClient(reaching(self._http_settings, urls), name="audit_service")
        return self._client


def _indexes(problem: Mapping[str, object]) -> list[int]:
    """Return which events of a batch a problem document is about."""
    errors = problem.get("errors")
    found = (
        [one.get("index") for one in errors if isinstance(one, dict)]
        if isinstance(errors, list)
        else []
    )
    return [index for index in found if isinstance(index, int)]


@dataclass(frozen=True, slots=True)
class Proven:
    """What a receipt shows.

    Attributes:
        checkpoint: The state of the service's log that the event is in.
        seq: The event's number there.
    """

    checkpoint: Checkpoint
    seq: int


def verify_receipt(receipt: str, event: object, verifier: NoteVerifier) -> Proven:
    """Check, with nothing but the log's key, that an event is in the service's log.

    The entry is `SHA-256(salt + canonical JSON of the event)`; the receipt carries the salt.

    Raises:
        CheckpointError: When it is not what the receipt proves; the text says why.
    """
    proof = TlogProof.parse(receipt)
    if not proof.extra:
        raise CheckpointError("the receipt has no salt: its event was shredded")
    checkpoint = verifier.open(proof.note)
    entry = sha256(proof.extra + canonical(event)).digest()
    if proof.root(entry, checkpoint.size) != checkpoint.root:
        raise CheckpointError("this event is not what the log has at this place")
    return Proven(checkpoint, proof.index)
