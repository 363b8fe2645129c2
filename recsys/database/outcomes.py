"""What came of the lists that each version served: how many were seen, and how many were clicked in.

Counted are lists that became impressions, and clicks that name them; robots are left out. Users are the units, since
one user's lists are not independent of each other, so beside the sums stand those of squares and products over users.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    and_,
    cast,
    distinct,
    exists,
    func,
    literal_column,
    select,
)
from sqlalchemy.orm import Session

from recsys.database import robots
from recsys.database.bulk import chunks
from recsys.database.tables import ClickRow, ImpressionRow, ServedRow
from recsys.domain import Timestamp

# "+ 0" keeps SQLite from reading the rows in the order of users, each from another page
USER_AND_VERSION = (
    (ServedRow.user + literal_column("0", Integer)).label("user"),
    ServedRow.model_version.label("version"),
)


@dataclass(frozen=True)
class Outcome:
    """Sums over the users of one version; of a user n is the lists that were seen, c those with a click in them."""

    version: str
    users: int
    impressions: int  # sum of n
    clicked: int  # sum of c
    clicks: int  # articles that were opened
    squares: int  # sum of n * n
    clicked_squares: int  # sum of c * c
    products: int  # sum of n * c

    def __sub__(self, some: "Outcome") -> "Outcome":
        """That of the users of this version who are not those of ``some`` of them."""
        sums = (getattr(self, one.name) - getattr(some, one.name) for one in fields(self)[1:])
        return Outcome(self.version, *sums)


def outcomes(session: Session, *, since: Timestamp = -np.inf, robot_limit: int = 0) -> dict[str, Outcome]:
    """By version, for lists served from a time on; a version of which nothing was seen is not there.

    ``robot_limit`` clicks in an hour are the most that people make; 0: nobody is a robot by speed.
    """
    where: list[ColumnElement[bool]] = [exists().where(ImpressionRow.impression_id == ServedRow.impression_id)]
    where += [] if since == -np.inf else [ServedRow.at >= since]
    parts = chunks(robots.known(session, robot_limit).tolist())  # a statement has room for so many users only
    of_robots = [_sums(session, *where, ServedRow.user.in_(part)) for part in parts]
    found = _sums(session, *where)
    for theirs in of_robots:
        found |= {version: found[version] - theirs[version] for version in found.keys() & theirs.keys()}
    return {version: outcome for version, outcome in found.items() if outcome.users}


def _sums(session: Session, *where: ColumnElement[bool]) -> dict[str, Outcome]:
    lists, clicked = _lists(*where).subquery("lists"), _clicked(*where).subquery("clicked")
    n, c = lists.c.n, func.coalesce(clicked.c.c, 0)
    sums = (
        select(
            lists.c.version, func.count(), _total(n), _total(c), _total(clicked.c.clicks), _total(n * n), _total(c * c),
            _total(n * c),
        )
        .outerjoin(clicked, and_(clicked.c.user == lists.c.user, clicked.c.version == lists.c.version))
        .group_by(lists.c.version)
    )  # fmt: skip
    return {row[0]: Outcome(*row) for row in session.execute(sums)}


def _lists(*where: ColumnElement[bool]) -> Select[int, str, int]:
    """How many lists each user saw of each version."""
    return select(*USER_AND_VERSION, func.count().label("n")).where(*where).group_by(*USER_AND_VERSION)


def _clicked(*where: ColumnElement[bool]) -> Select[int, str, int, Any]:
    """In how many of them something was opened, and how much; only of users who opened anything."""
    opened = (
        select(ClickRow.impression_id, func.count(distinct(ClickRow.article)).label("clicks"))
        .where(ClickRow.impression_id.is_not(None), ClickRow.weight > 0)
        .group_by(ClickRow.impression_id)
        .subquery("opened")
    )
    counts = (func.count().label("c"), func.sum(opened.c.clicks).label("clicks"))
    served = select(*USER_AND_VERSION, *counts).join(opened, opened.c.impression_id == ServedRow.impression_id)
    return served.where(*where).group_by(*USER_AND_VERSION)


def _total(column: ColumnElement[int]) -> ColumnElement[int]:
    return cast(func.coalesce(func.sum(column), 0), BigInteger)
