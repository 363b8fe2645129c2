"""What the database holds, at a glance: counts, and the newest of everything for whoever begins to look around."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from recsys.database import articles, events, readout, stretches
from recsys.database.tables import ArticleRow, ClickRow, ContentRow, UserRow
from recsys.domain import Modality, Timestamp

NEWEST = 1000  # clicks among which the newest readers are looked for
OK, MISSING, BROKEN = "ok", "missing", "broken"  # what an encoder says of a content


@dataclass(frozen=True)
class Contents:
    """How many articles of the catalogue have something in a modality, as one encoder saw it."""

    modality: Modality
    encoder: str
    ok: int
    missing: int
    broken: int


@dataclass(frozen=True)
class Overview:
    """Counts of one instant."""

    catalogue: int
    undescribed: int  # articles of which nothing but the id is known
    impressions: int
    clicks: int
    readers: int
    span: tuple[Timestamp, Timestamp] | None  # when the first and the last event became known
    contents: Sequence[Contents]
    sections: Mapping[str, int]  # articles by section, the largest first


def overview(session: Session, most_sections: int) -> Overview:
    """All of it; a count reads its whole table."""
    return Overview(
        catalogue=session.scalar(select(func.count()).where(ArticleRow.deleted_at.is_(None))) or 0,
        undescribed=articles.count_undescribed(session),
        **events.counts(session),
        readers=readout.count_readers(session),
        span=stretches.time_span(session),
        contents=_contents(session),
        sections=_sections(session, most_sections),
    )


def newest_articles(session: Session, limit: int) -> list[tuple[str, str | None]]:
    """Ids and titles of the articles that came last, newest first."""
    there = select(ArticleRow.article_id, ArticleRow.title).where(
        ArticleRow.deleted_at.is_(None), ArticleRow.title.is_not(None)
    )
    newest = there.order_by(ArticleRow.key.desc()).limit(limit)
    return [(article_id, title) for article_id, title in session.execute(newest)]


def newest_readers(session: Session, limit: int) -> list[str]:
    """Ids of those who clicked last, newest first."""
    newest = select(ClickRow.user, ClickRow.position).order_by(ClickRow.position.desc()).limit(NEWEST).subquery()
    last = select(newest.c.user, func.max(newest.c.position).label("last")).group_by(newest.c.user).subquery()
    readers = select(UserRow.user_id).join(last, last.c.user == UserRow.key).order_by(last.c.last.desc())
    return list(session.scalars(readers.limit(limit)))


def _contents(session: Session) -> list[Contents]:
    modality, encoder = ContentRow.modality, ContentRow.encoder_id
    ok, missing, broken = (func.count().filter(ContentRow.status == status) for status in (OK, MISSING, BROKEN))
    counted = select(modality, encoder, ok, missing, broken).join(ArticleRow, ArticleRow.key == ContentRow.article)
    there = counted.where(ArticleRow.deleted_at.is_(None)).group_by(modality, encoder).order_by(modality, encoder)
    return [Contents(*row) for row in session.execute(there)]


def _sections(session: Session, most: int) -> dict[str, int]:
    named = ArticleRow.deleted_at.is_(None), ArticleRow.section.is_not(None)
    counted = select(ArticleRow.section, func.count().label("n")).where(*named).group_by(ArticleRow.section)
    largest = counted.order_by(func.count().desc(), ArticleRow.section).limit(most)
    return {str(section): count for section, count in session.execute(largest)}
