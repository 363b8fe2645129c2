"""The newest clicks and lists of many users in one query, for answers that are made in bulk."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Subquery, func, select
from sqlalchemy.orm import Session

from recsys.database.tables import ClickRow, ImpressionRow
from recsys.domain import Timestamp


def newest_clicks_of(
    session: Session, users: Sequence[int], before: Timestamp, limit: int
) -> list[tuple[int, int, Timestamp, float]]:
    """User, article, time and weight of each user's newest clicks known strictly before a time, oldest first."""
    newest = _newest(ClickRow, users, before)
    statement = (
        select(ClickRow.user, ClickRow.article, ClickRow.at, ClickRow.weight)
        .join(newest, newest.c.position == ClickRow.position)
        .where(newest.c.place <= limit)
        .order_by(newest.c.place.desc())
    )
    return [(row.user, row.article, row.at, row.weight) for row in session.execute(statement)]


def newest_impressions_of(
    session: Session, users: Sequence[int], before: Timestamp, limit: int
) -> list[tuple[int, Timestamp, list[int]]]:
    """User, time and articles of the newest lists shown to each user, known strictly before a time, oldest first."""
    newest = _newest(ImpressionRow, users, before)
    statement = (
        select(ImpressionRow.user, ImpressionRow.known_at, ImpressionRow.shown)
        .join(newest, newest.c.position == ImpressionRow.position)
        .where(newest.c.place <= limit)
        .order_by(newest.c.place.desc())
    )
    return [(row.user, row.known_at, row.shown) for row in session.execute(statement)]


def _newest(row: type[ClickRow] | type[ImpressionRow], users: Sequence[int], before: Timestamp) -> Subquery:
    """Positions in the log with their places among the events of their user, 1 for the newest."""
    order: list[Any] = [row.known_at.desc(), row.at.desc(), row.position.desc()]
    place = func.row_number().over(partition_by=row.user, order_by=order).label("place")
    return select(row.position, place).where(row.user.in_(users), row.known_at < before).subquery()
