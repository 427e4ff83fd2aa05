"""The border between tenants: what is asked without a condition, and every way around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import ForeignKey, create_engine, delete, func, insert, select, text, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, aliased, mapped_column, relationship

from central_services.kit.tenancy import (
    TenancyError,
    TenantScoped,
    as_tenant,
    current_tenant,
    over_all_tenants,
)


class Tables(DeclarativeBase):
    """Tables of these tests alone: those of services are held against their migrations."""


class Project(TenantScoped, Tables):
    __tablename__ = "tenancy_projects"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    notes: Mapped[list[Note]] = relationship()


class Note(TenantScoped, Tables):
    __tablename__ = "tenancy_notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("tenancy_projects.id"))


class Country(Tables):
    __tablename__ = "tenancy_countries"

    code: Mapped[str] = mapped_column(primary_key=True)


ENGINE = create_engine("sqlite://")
Way = Callable[[Session], Any]


@pytest.fixture
def session() -> Iterator[Session]:
    """A session on a database with a project of each of two tenants; t1's has a note of t2's, by mistake."""
    Tables.metadata.create_all(ENGINE)
    for number, tenant in enumerate(("t1", "t2"), start=1):
        with as_tenant(tenant), Session(ENGINE) as setup, setup.begin():
            setup.add(Project(id=number, name=f"of {tenant}"))
            setup.add(Note(id=number, project_id=1))
    with Session(ENGINE) as session:
        yield session
    Tables.metadata.drop_all(ENGINE)
    ENGINE.dispose()


READS: dict[str, Way] = {
    "rows": lambda s: s.scalars(select(Project)).all(),
    "columns": lambda s: s.execute(select(Project.name)).all(),
    "count": lambda s: [1] * s.execute(select(func.count()).select_from(Project)).scalar_one(),
    "other condition": lambda s: s.scalars(select(Project).where(Project.id > 0)).all(),
    "subquery": lambda s: s.execute(select(select(Project.name).subquery())).all(),
    "alias": lambda s: s.scalars(select(aliased(Project))).all(),
    "exists": lambda s: s.scalars(select(Project).where(select(Note.id).exists())).all(),
    "old style": lambda s: s.query(Project).all(),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS.keys())
def test_query_without_a_condition_sees_one_tenant(session: Session, read: Way) -> None:
    with as_tenant("t1"):
        found = read(session)
    assert len(found) == 1


def test_row_of_another_tenant_is_not_there_by_its_key(session: Session) -> None:
    with as_tenant("t1"):
        assert session.get(Project, 2) is None
        assert session.get(Project, 1) is not None


def test_relation_that_crosses_the_border_is_empty_there(session: Session) -> None:
    with as_tenant("t1"):
        (project,) = session.scalars(select(Project)).all()
        assert [note.id for note in project.notes] == [1]


def test_join_sees_one_tenant_on_both_sides(session: Session) -> None:
    with as_tenant("t1"):
        rows = session.execute(select(Project.id, Note.id).join(Project.notes)).all()
    assert rows == [(1, 1)]


def test_update_and_delete_reach_one_tenant(session: Session) -> None:
    with as_tenant("t1"), session.begin():
        session.execute(update(Project).values(name="new"))
        session.execute(delete(Note))
    with over_all_tenants(), Session(ENGINE) as other:
        assert other.scalars(select(Project.name).order_by(Project.id)).all() == ["new", "of t2"]
        assert other.scalars(select(Note.id)).all() == [2]


REFUSED: dict[str, Way] = {
    "bare table": lambda s: s.execute(select(Project.__table__)),
    "text": lambda s: s.execute(text("SELECT * FROM tenancy_projects")),
    "insert": lambda s: s.execute(insert(Project), [{"id": 9, "name": "x", "tenant_id": "t2"}]),
    "row of another": lambda s: (s.add(Project(id=9, name="x", tenant_id="t2")), s.flush()),
}


@pytest.mark.parametrize("way", REFUSED.values(), ids=REFUSED.keys())
def test_what_can_not_be_narrowed_is_refused(session: Session, way: Way) -> None:
    with as_tenant("t1"), pytest.raises(TenancyError):
        way(session)


def test_outside_of_a_tenant_it_is_an_error_to_ask(session: Session) -> None:
    with pytest.raises(TenancyError, match="outside of as_tenant"):
        session.scalars(select(Project))
    session.add(Project(id=9, name="x"))
    with pytest.raises(TenancyError, match="outside of as_tenant"):
        session.flush()


def test_session_serves_one_tenant(session: Session) -> None:
    with as_tenant("t1"):
        session.scalars(select(Project)).all()
    with as_tenant("t2"), pytest.raises(TenancyError, match="two tenants"):
        session.scalars(select(Project))


def test_row_does_not_change_hands(session: Session) -> None:
    with as_tenant("t1"):
        (project,) = session.scalars(select(Project)).all()
        project.tenant_id = "t2"
        with pytest.raises(TenancyError, match="another tenant"):
            session.flush()


def test_tables_without_tenants_are_as_ever(session: Session) -> None:
    session.add(Country(code="DE"))
    session.flush()
    assert session.scalars(select(Country.code)).all() == ["DE"]
    assert session.execute(text("SELECT 1")).scalar() == 1


def test_tenant_is_that_of_the_innermost_scope() -> None:
    with as_tenant("t1"):
        with as_tenant("t2"):
            assert current_tenant() == "t2"
        assert current_tenant() == "t1"
        with over_all_tenants(), pytest.raises(TenancyError, match="every tenant"):
            current_tenant()
    with pytest.raises(TenancyError, match="no tenant"):
        current_tenant()


@pytest.mark.parametrize("name", ["", "*"])
def test_name_that_would_mean_everybody_is_no_tenant(name: str) -> None:
    with pytest.raises(TenancyError), as_tenant(name):
        pass
