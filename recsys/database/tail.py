"""How far the log was read, in the order of commits: what a process that follows it remembers, and what it misses.

SQLite has one writer, so positions grow in the order of commits. On PostgreSQL a position is given out long before its
row is committed, and a row with a lower one may appear later. A row there names the transaction that wrote it, and a
follower takes only what is below the oldest transaction that still runs: nothing can appear there any more.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    SQLColumnExpression,
    Text,
    func,
    select,
    true,
    update,
)
from sqlalchemy.orm import Session

from recsys.database.tables import ArticleChangeRow, ClickRow, ImpressionRow
from recsys.domain import Timestamp

Events = type[ImpressionRow] | type[ClickRow]
TABLES: tuple[Events, Events] = (ImpressionRow, ClickRow)
Row = Events | type[ArticleChangeRow]


@dataclass(frozen=True)
class Place:
    """Marks of the newest impression and the newest click up to which everything is known; 0 for none."""

    impression: int = 0
    click: int = 0


@dataclass(frozen=True)
class Extent:
    """The events up to a place in the log that became known before a time: what a fold holds."""

    place: Place
    until: Timestamp


def end_of_log(session: Session) -> Place:
    """Where the log ends now: whatever is still written comes behind it."""
    return Place(newest_mark(session, ImpressionRow), newest_mark(session, ClickRow))


def newest_mark(session: Session, row: Row) -> int:
    """The mark of the newest row of a table that can be followed; 0 for none."""
    return session.scalar(_newest_mark(_is_postgresql(session), row)) or 0


def behind(session: Session, row: Row, mark: int) -> ColumnElement[bool]:
    """The rows of a table that lie behind a mark and can be followed."""
    column = _mark(_is_postgresql(session), row)
    return (column > mark) & _final(_is_postgresql(session), column)


def count_behind(session: Session, place: Place) -> int:
    """How many events lie behind a place, those included that cannot be followed before an older transaction ends."""
    is_postgresql = _is_postgresql(session)
    there = (
        select(func.count()).select_from(row).where(_mark(is_postgresql, row) > _mark_of(row, place)) for row in TABLES
    )
    return sum(session.scalar(statement) or 0 for statement in there)


def mend(connection: Connection) -> None:
    """Let followers see rows that were restored from another PostgreSQL, whose transactions have higher numbers.

    No transaction has got such a number here yet, so there is nobody who could have read past it.
    """
    if connection.dialect.name == "postgresql":
        first_unused = _number(func.pg_snapshot_xmax(func.pg_current_snapshot()))
        for row in (*TABLES, ArticleChangeRow):
            connection.execute(update(row).where(row.txid >= first_unused).values(txid=1))


def up_to(session: Session, row: Events, place: Place | None) -> ColumnElement[bool]:
    """The events of one kind up to a place; all of them where it is None."""
    return true() if place is None else _mark(_is_postgresql(session), row) <= _mark_of(row, place)


def within(session: Session, row: Events, extent: Extent) -> ColumnElement[bool]:
    """The events of one kind that an extent holds."""
    return up_to(session, row, extent.place) & (row.known_at < extent.until)


def missing(session: Session, row: Events, held: Extent) -> ColumnElement[bool]:
    """The events of one kind that an extent does not hold."""
    return (_mark(_is_postgresql(session), row) > _mark_of(row, held.place)) | (row.known_at >= held.until)


@cache  # every look at the log asks for it
def _newest_mark(is_postgresql: bool, row: Row) -> Select[int]:
    mark = _mark(is_postgresql, row)
    return select(func.max(mark)).where(_final(is_postgresql, mark))


def _mark_of(row: Events, place: Place) -> int:
    return place.impression if row is ImpressionRow else place.click


def _mark(is_postgresql: bool, row: Row) -> SQLColumnExpression[Any]:
    return row.txid if is_postgresql else row.position


def _final(is_postgresql: bool, mark: SQLColumnExpression[Any]) -> ColumnElement[bool]:
    if not is_postgresql:
        return true()
    return mark < _number(func.pg_snapshot_xmin(func.pg_current_snapshot()))


def _number(transaction: ColumnElement[Any]) -> ColumnElement[int]:
    return transaction.cast(Text).cast(BigInteger)


def _is_postgresql(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"
