"""Writing many rows at once: only what is new goes in, so that writing twice changes nothing."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Insert, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute, Session

T = TypeVar("T")
CHUNK = 5000


def chunks(rows: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """Lists of at most ``size`` rows."""
    iterator = iter(rows)
    while chunk := list(islice(iterator, size)):
        yield chunk


def insert_new(session: Session, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows; one whose unique key exists already is left as it is."""
    for chunk in chunks(rows):
        session.execute(_insert(session, table).on_conflict_do_nothing(), chunk)


def upsert(session: Session, table: Table, rows: Sequence[dict[str, Any]], key: Sequence[str]) -> None:
    """Insert rows, or overwrite all their other columns where ``key`` exists."""
    for chunk in chunks(rows):
        statement = _insert(session, table)
        written = {name: statement.excluded[name] for name in chunk[0] if name not in key}
        session.execute(statement.on_conflict_do_update(index_elements=list(key), set_=written), chunk)


def one_at_a_time(session: Session, subject: str) -> None:
    """Wait until no other transaction holds this subject, and hold it until this one ends; SQLite has one writer."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(func.hashtext(subject))))


def existing(
    session: Session, column: InstrumentedAttribute[str], values: Iterable[str], *where: ColumnElement[bool]
) -> set[str]:
    """Those of ``values`` that the column holds."""
    found: set[str] = set()
    for chunk in chunks(values):
        found.update(session.scalars(select(column).where(column.in_(chunk), *where)))
    return found


def _insert(session: Session, table: Table) -> Any:
    dialect = session.get_bind().dialect.name
    statement: Insert = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    return statement
