"""What the witness remembers. After a change: `db revision --package witness_service -m WHAT`."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from ..core.database import Base


class WitnessedLogRow(Base):
    """A log and the last checkpoint of it that was cosigned.

    Attributes:
        origin: The log.
        keys: Its verification keys, one a line.
        size: How many entries it had; 0 when nothing was cosigned yet.
        root: Its root hash then.
        note: The checkpoint as it was cosigned: evidence, should the log show another.
        cosigned_at: When.
    """

    __tablename__ = "witness_logs"

    origin: Mapped[str] = mapped_column(String(255), primary_key=True)
    keys: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = mapped_column(BigInteger)
    root: Mapped[bytes] = mapped_column(LargeBinary)
    note: Mapped[str] = mapped_column(Text)
    cosigned_at: Mapped[datetime | None]
