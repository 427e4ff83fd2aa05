"""Having checkpoints cosigned by witnesses (c2sp.org/tlog-witness, the side of the log)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence

import orjson
from sqlalchemy import select, update

from ..audit.checkpoint import Checkpoint, CheckpointError, split_note
from ..clients.errors import HttpClientError
from ..clients.http import HttpClient
from ..core.database import Database, DatabaseUnavailableError
from ..kit.cosignatures import CosignatureVerifier, CosignerKeyError, with_lines
from ..kit.tenancy import over_all_tenants
from ..utils.logging import get_logger
from .models import CheckpointRow, LogRow
from .repository import EventRepository
from .tree import tree_of

ATTEMPTS = 3
"""Requests for one checkpoint: the first may learn what the witness has, the second succeeds."""

_log = get_logger(__name__)


class Witnesses:
    """Asks witnesses to cosign what is new; what one of them has not, it gets next time.

    Args:
        database: Where checkpoints are.
        http: Calls them.
        addresses: Where they are.
        keys: Their verification keys; without any, what each says itself.

    Attributes:
        last_error: Why the last attempt failed, or an empty string.
    """

    def __init__(
        self, database: Database, http: HttpClient, addresses: Sequence[str], keys: Sequence[str]
    ) -> None:
        self._database = database
        self._http = http
        self._addresses = [address.rstrip("/") for address in addresses]
        self._given = list(keys)
        self._learnt: dict[str, list[str]] = {}
        self.last_error = ""

    @property
    def are_asked(self) -> bool:
        """Whether there are any."""
        return bool(self._addresses)

    @property
    def keys(self) -> list[str]:
        """The verification keys of the witnesses, as far as they are known."""
        learnt = [key for keys in self._learnt.values() for key in keys]
        return self._given or learnt

    async def catch_up(self) -> None:
        """Have the newest checkpoint of every log cosigned that is not yet."""
        if not self._addresses:
            return
        try:
            async with self._database.read() as session:
                query = select(LogRow).where(LogRow.witnessed < LogRow.size)
                logs = (await session.scalars(query)).all()
            for log in logs:
                await self._cosign(log)
            self.last_error = ""
        except (HttpClientError, DatabaseUnavailableError, CheckpointError) as error:
            self.last_error = type(error).__name__
            _log.warning("witness_unavailable", reason=self.last_error)
        except (CosignerKeyError, orjson.JSONDecodeError, KeyError, TypeError) as error:
            self.last_error = "the witness has no keys that can be read"
            _log.warning("witness_keys_unavailable", reason=str(error))

    async def _cosign(self, log: LogRow) -> None:
        async with self._database.read() as session:
            newest = await EventRepository(session).checkpoint(log.tenant_id)
        if newest is None:
            return
        lines = ""
        for address in self._addresses:
            lines += await self._ask(address, log, newest)
        if not lines:
            return
        async with self._database.transaction() as session:
            note = with_lines(newest.note, lines)
            row, tenant = CheckpointRow, newest.tenant_id
            await session.execute(
                update(row)
                .where(row.tenant_id == tenant, row.size == newest.size)
                .values(note=note, cosigned=True)
            )
            await session.execute(
                update(LogRow)
                .where(LogRow.tenant_id == tenant, LogRow.witnessed < newest.size)
                .values(witnessed=newest.size)
            )

    async def _ask(self, address: str, log: LogRow, newest: CheckpointRow) -> str:
        """Return the cosignature lines of a witness that verify; none when it refuses."""
        verifier = await self._verifier(address)
        known = log.witnessed
        for _ in range(ATTEMPTS):
            body = await self._request(log.tenant_id, newest, known)
            answer = await self._http.post(f"{address}/add-checkpoint", content=body)
            if answer.status_code == 200:
                found = verifier.find(with_lines(newest.note, answer.text))
                if not found:
                    _log.error("witness_cosignature_unknown", address=address)
                return "".join(cosignature.line for cosignature in found)
            kind = answer.headers.get("content-type", "").partition(";")[0]
            if answer.status_code != 409 or kind != "text/x.tlog.size":
                self._refused(address, log, answer.status_code)
                return ""
            known = int(answer.text)
            if known > newest.size:
                return ""  # another process was faster: the next checkpoint is cosigned
        return ""

    def _refused(self, address: str, log: LogRow, status: int) -> None:
        # 409 and 422: it says that this log has shown it something else before.
        say = _log.critical if status in {409, 422} else _log.error
        say("witness_refused", address=address, origin=log.origin, status=status)

    async def _request(self, tenant: str, newest: CheckpointRow, known: int) -> bytes:
        with over_all_tenants():
            async with self._database.read() as session:
                tree = await session.run_sync(
                    lambda sync: (
                        tree_of(sync, tenant, newest.size).consistency(known) if known else []
                    )
                )
        lines = [f"old {known}", *(b64encode(item).decode() for item in tree), "", newest.note]
        return "\n".join(lines).encode()

    async def _verifier(self, address: str) -> CosignatureVerifier:
        if self._given:
            return CosignatureVerifier(self._given)
        if address not in self._learnt:
            answer = await self._http.get(f"{address}/keys")
            keys = orjson.loads(answer.content)["keys"]
            CosignatureVerifier(keys)
            self._learnt[address] = keys
        return CosignatureVerifier(self._learnt[address])


def checkpoint_of(note: str) -> Checkpoint:
    """Return what a note of ours says."""
    return Checkpoint.parse(split_note(note)[0])
