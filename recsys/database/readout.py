"""The database from end to end: the catalogue, the log and the vectors, in batches so that memory stays flat.

Each function reads as of the moment when its first batch is asked for, and keeps that one query open until the last.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from sqlalchemy import Executable, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from recsys.columns import Floats32
from recsys.database import merges
from recsys.database.articles import to_article
from recsys.database.bulk import chunks
from recsys.database.tables import ArticleRow, ClickRow, ContentRow, ImpressionRow, UserRow, VectorRow
from recsys.database.users import READER
from recsys.database.vectors import STORED
from recsys.domain import Article, Click, Context, Impression, Modality, Page

BATCH = 2000  # rows in memory at once


@dataclass(frozen=True)
class StoredVector:
    """What one encoder made of one modality of an article."""

    article_id: str
    modality: Modality
    encoder_id: str
    vector: Floats32  # (d,)


@dataclass(frozen=True)
class Reader:
    """A user's key and public id."""

    key: int
    user_id: str


def read_articles(session: Session, size: int = BATCH) -> Iterator[list[Article]]:
    """Every article in the order of the keys: ids that nothing is known of too, since the log may name them.

    Of a withdrawn article no more is told than its id, and the time it was withdrawn as ``expires_at``.
    """
    for rows in _partitions(session, select(ArticleRow).order_by(ArticleRow.key), size):
        yield [_as_known(row[0]) for row in rows]


def read_impressions(session: Session, size: int = BATCH) -> Iterator[list[Impression]]:
    """Every impression in the order of the log; of an article that was merged into another, its id of today."""
    row = ImpressionRow
    columns = (
        row.impression_id, UserRow.user_id, row.at, row.known_at, row.shown, row.page, row.context_article, row.device,
        row.subscriber, row.placement,
    )  # fmt: skip
    statement = select(*columns).join(UserRow, UserRow.key == row.user).order_by(row.position)
    known = merges.aliases(session)
    for rows in _partitions(session, statement, size):
        ids = _article_ids(session, {key for r in rows for key in (*r.shown, r.context_article)} - {None}, known)
        yield [
            Impression(
                impression_id=r.impression_id,
                user_id=r.user_id,
                at=r.at,
                items=tuple(dict.fromkeys(ids[key] for key in r.shown)),
                context=_context(r, ids),
                known_at=r.known_at,
            )
            for r in rows
        ]


def read_clicks(session: Session, size: int = BATCH) -> Iterator[list[Click]]:
    """Every click in the order of the log, by the id that its article has today."""
    row, merged = ClickRow, aliased(ArticleRow)
    columns = (
        row.event_id, UserRow.user_id, ArticleRow.article_id, row.at, row.impression_id, row.known_at,
        row.dwell_seconds, row.weight, row.backfilled,
    )  # fmt: skip
    statement = (
        select(*columns)
        .join(UserRow, UserRow.key == row.user)
        .join(merged, merged.key == row.article)
        .join(ArticleRow, ArticleRow.key == func.coalesce(merged.merged_into, merged.key))
        .order_by(row.position)
    )
    for rows in _partitions(session, statement, size):
        yield [Click(**r._mapping) for r in rows]


def read_vectors(session: Session, size: int = BATCH) -> Iterator[list[StoredVector]]:
    """Every cached vector of an article of the catalogue, by encoder and then in the order of the articles' keys."""
    statement = (
        select(ArticleRow.article_id, ContentRow.modality, ContentRow.encoder_id, VectorRow.vector)
        .join(ContentRow, ContentRow.article == ArticleRow.key)
        .join(
            VectorRow,
            (VectorRow.encoder_id == ContentRow.encoder_id) & (VectorRow.content_hash == ContentRow.content_hash),
        )
        .where(ArticleRow.deleted_at.is_(None))
        .order_by(ContentRow.modality, ContentRow.encoder_id, ArticleRow.key)
    )
    for rows in _partitions(session, statement, size):
        yield [
            StoredVector(r.article_id, r.modality, r.encoder_id, np.frombuffer(r.vector, STORED).astype(np.float32))
            for r in rows
        ]


def read_users(session: Session, after: int, limit: int) -> list[Reader]:
    """The next readers behind a key, in the order of the keys; ids that logged in as another are no readers."""
    own = select(UserRow.key, UserRow.user_id).where(UserRow.key > after, UserRow.merged_into.is_(None))
    return [Reader(row.key, row.user_id) for row in session.execute(own.order_by(UserRow.key).limit(limit))]


def find_users(session: Session, user_ids: Sequence[str]) -> dict[str, int]:
    """Keys of the readers that those of the ids belong to that are known."""
    rows = session.execute(select(UserRow.user_id, READER).where(UserRow.user_id.in_(user_ids)))
    return {row.user_id: row.reader for row in rows}


def count_readers(session: Session) -> int:
    """How many readers there are."""
    return session.scalar(select(func.count()).where(UserRow.merged_into.is_(None))) or 0


def count_rows(session: Session, column: InstrumentedAttribute[Any]) -> int:
    """How many rows the table of a column has."""
    return session.scalar(select(func.count(column))) or 0


def _as_known(row: ArticleRow) -> Article:
    if row.deleted_at is None:
        return to_article(row)
    return Article(row.article_id, expires_at=row.deleted_at)


def _context(row: Any, ids: dict[int, str]) -> Context:
    reading = None if row.context_article is None else ids[row.context_article]
    return Context(cast(Page | None, row.page), reading, row.device, row.subscriber, row.placement)


def _article_ids(session: Session, keys: set[int], known: merges.Aliases) -> dict[int, str]:
    """Ids of the articles that these keys stand for today."""
    ids: dict[int, str] = {}
    for chunk in chunks({known.get(key, key) for key in keys}):
        rows = session.execute(select(ArticleRow.key, ArticleRow.article_id).where(ArticleRow.key.in_(chunk)))
        ids.update((row.key, row.article_id) for row in rows)
    return {key: ids[known.get(key, key)] for key in keys}


def _partitions(session: Session, statement: Executable, size: int) -> Iterator[Sequence[Any]]:
    """Rows in batches, fetched as they are asked for; PostgreSQL holds the rest behind a cursor."""
    yield from session.execute(statement.execution_options(yield_per=size)).partitions()
