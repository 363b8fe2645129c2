"""Writing many rows at once: only what is new goes in, so that writing twice changes nothing."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Insert, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

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
        session.execute(_insert_new(_dialect(session), table), chunk)


def upsert(session: Session, table: Table, rows: Sequence[dict[str, Any]], key: Sequence[str]) -> None:
    """Insert rows, or overwrite all their other columns where ``key`` exists."""
    for chunk in chunks(rows):
        statement = _insert(_dialect(session), table)
        written = {name: statement.excluded[name] for name in chunk[0] if name not in key}
        session.execute(statement.on_conflict_do_update(index_elements=list(key), set_=written), chunk)


def one_at_a_time(session: Session, subject: str) -> None:
    """Wait until no other transaction holds this subject, and hold it until this one ends; SQLite has one writer."""
    if _dialect(session) == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(func.hashtext(subject))))


@cache  # every batch of events asks for it
def _insert_new(dialect: str, table: Table) -> Any:
    return _insert(dialect, table).on_conflict_do_nothing()


def _insert(dialect: str, table: Table) -> Any:
    statement: Insert = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    return statement


def _dialect(session: Session) -> str:
    return session.get_bind().dialect.name
