"""The tables of schemas."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from ...core.database import Base
from ...kit.tenancy import TenantScoped

_Number = BigInteger().with_variant(Integer, "sqlite")


class SchemaRow(TenantScoped, Base):
    """A version of the schema of an action; it never changes.

    Attributes:
        action: The action, as in `order.shipped`.
        version: 1, 2, ...
        text: Canonical JSON.
        created_at: When it was stored.
    """

    __tablename__ = "trail_schemas"
    __table_args__ = (Index(None, "tenant_id", "action", "version", unique=True),)

    n: Mapped[int] = mapped_column(_Number, primary_key=True)
    action: Mapped[str] = mapped_column(String(255))
    version: Mapped[int]
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]


class SchemaPolicyRow(TenantScoped, Base):
    """Whether a tenant takes events of actions that have no schema."""

    __tablename__ = "trail_schema_policies"
    __table_args__ = (Index("uq_trail_schema_policies_tenant_id", "tenant_id", unique=True),)

    n: Mapped[int] = mapped_column(_Number, primary_key=True)
    strict: Mapped[bool]
