"""Samples and sums of the log for whoever checks its health: bounded in what they read, however long it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Subquery, distinct, func, select, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import InstrumentedAttribute, Session

from recsys.columns import Floats
from recsys.database.articles import DESCRIBED
from recsys.database.bulk import chunks
from recsys.database.tables import ArticleRow, ClickRow, ContentRow, ImpressionRow, UserRow
from recsys.database.tail import TABLES, Events
from recsys.domain import Timestamp


@dataclass(frozen=True)
class Busiest:
    """The user with the most of the newest clicks."""

    user_id: str
    clicks: int
    of: int


def damage(session: Session) -> str | None:
    """What SQLite finds wrong with its own file, which it reads as a whole; None where it is sound, or not SQLite."""
    if session.get_bind().dialect.name != "sqlite":
        return None
    try:
        found = session.scalar(text("PRAGMA quick_check(1)"))
    except DatabaseError as error:  # of a file that cannot even be looked through
        return str(error.orig)
    return None if found == "ok" else str(found).replace("\n", " ")


def times(session: Session, limit: int) -> tuple[Floats, Floats]:
    """When the newest events of each kind happened and became known, (n,) each; histories told in bulk are left out."""
    rows: list[tuple[float, float]] = []
    for row in TABLES:
        newest = select(row.at, row.known_at).order_by(row.position.desc()).limit(limit)
        own = newest.where(~ClickRow.backfilled) if row is ClickRow else newest
        rows += [(at, known_at) for at, known_at in session.execute(own)]
    both = np.array(rows, np.float64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def newest(session: Session) -> Timestamp | None:
    """When the newest event became known; None in an empty log."""
    found = [session.scalar(select(func.max(row.known_at))) for row in TABLES]
    return max((at for at in found if at is not None), default=None)


def count_known_after(session: Session, at: Timestamp) -> int:
    """Events that claim to have become known after a time."""
    counts = (select(func.count()).select_from(row).where(row.known_at > at) for row in TABLES)
    return sum(session.scalar(count) or 0 for count in counts)


def has_positive(session: Session) -> bool:
    """Whether anybody ever clicked on anything."""
    return session.scalar(select(ClickRow.position).where(ClickRow.weight > 0).limit(1)) is not None


def clicked_lists(session: Session, limit: int) -> tuple[int, int]:
    """How many of the newest lists there are, at most ``limit``, and in how many of them something was clicked."""
    newest = _newest(ImpressionRow, limit, ImpressionRow.impression_id)
    clicked = select(func.count(distinct(ClickRow.impression_id))).join(
        newest, newest.c.impression_id == ClickRow.impression_id
    )
    lists = session.scalar(select(func.count()).select_from(newest)) or 0
    return lists, session.scalar(clicked.where(ClickRow.weight > 0)) or 0


def lists_named(session: Session, limit: int) -> tuple[int, int]:
    """Of the newest clicks (at most ``limit``) those that name a list, and those whose list was not known by then."""
    newest = _newest(ClickRow, limit, ClickRow.impression_id, ClickRow.known_at)
    named = select(func.count(), func.count().filter(ImpressionRow.impression_id.is_(None))).select_from(newest)
    theirs = ImpressionRow.impression_id == newest.c.impression_id
    lists = named.outerjoin(ImpressionRow, theirs & (ImpressionRow.known_at <= newest.c.known_at))
    naming, unknown = session.execute(lists.where(newest.c.impression_id.is_not(None))).one()
    return naming, unknown


def busiest_reader(session: Session, limit: int) -> Busiest | None:
    """Who made the most of the newest clicks; None without any."""
    newest = _newest(ClickRow, limit, ClickRow.user)
    by_user = select(newest.c.user, func.count().label("n")).group_by(newest.c.user).subquery()
    total = session.scalar(select(func.sum(by_user.c.n))) or 0
    first = select(UserRow.user_id, by_user.c.n).join(by_user, by_user.c.user == UserRow.key)
    row = session.execute(first.order_by(by_user.c.n.desc()).limit(1)).first()
    return None if row is None else Busiest(row[0], row[1], int(total))


def clicked_articles(session: Session, limit: int) -> tuple[int, int]:
    """Articles in the newest clicks, and how many of them are known by their id alone."""
    clicked = set(session.scalars(select(_newest(ClickRow, limit, ClickRow.article).c.article).distinct()))
    return len(clicked), _undescribed(session, sorted(clicked))


def shown_articles(session: Session, limit: int) -> tuple[int, int]:
    """Lists among the newest (at most ``limit``), and how many different articles they show."""
    lists = session.scalars(select(ImpressionRow.shown).order_by(ImpressionRow.position.desc()).limit(limit)).all()
    return len(lists), len({article for shown in lists for article in shown})


def pictures_read(session: Session, encoder_id: str) -> tuple[int, int]:
    """Of the articles that name a picture and were looked at: all, and those whose picture could not be read."""
    own = (ContentRow.modality == "image", ContentRow.encoder_id == encoder_id, *_pictured())
    all_of_them = select(func.count(), func.count().filter(ContentRow.status != "ok")).select_from(ContentRow)
    looked_at, failed = session.execute(
        all_of_them.join(ArticleRow, ArticleRow.key == ContentRow.article).where(*own)
    ).one()
    return looked_at, failed


def unread_pictures(session: Session, encoder_id: str, limit: int) -> list[str]:
    """Paths and addresses of the newest pictures that an encoder could not read."""
    failed = (ContentRow.modality == "image", ContentRow.encoder_id == encoder_id, ContentRow.status != "ok")
    found = select(ArticleRow.image).join(ContentRow, ContentRow.article == ArticleRow.key)
    newest = found.where(*failed, *_pictured()).order_by(ArticleRow.key.desc()).limit(limit)
    return [str(image) for image in session.scalars(newest)]


def _pictured() -> tuple[ColumnElement[bool], ...]:
    return ArticleRow.deleted_at.is_(None), ArticleRow.image.is_not(None)


def _newest(row: Events, limit: int, *columns: InstrumentedAttribute[Any]) -> Subquery:
    return select(*columns).order_by(row.position.desc()).limit(limit).subquery()


def _undescribed(session: Session, keys: Sequence[int]) -> int:
    part = (ArticleRow.deleted_at.is_(None), ArticleRow.merged_into.is_(None), ~DESCRIBED)
    counts = (
        select(func.count()).select_from(ArticleRow).where(ArticleRow.key.in_(some), *part) for some in chunks(keys)
    )
    return sum(session.scalar(count) or 0 for count in counts)
