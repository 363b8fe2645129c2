"""Cached modality vectors: what still needs an encoder, what was found, and the vectors of articles."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from recsys.columns import Bools, Floats32, Ints
from recsys.database.articles import record_changes, to_article
from recsys.database.bulk import chunks, insert_new, upsert
from recsys.database.tables import CONTENTS, VECTORS, ArticleRow, ContentRow, VectorRow
from recsys.domain import Article, Modality

log = logging.getLogger(__name__)

STORED = np.dtype("<f2")


@dataclass(frozen=True)
class Content:
    """What one encoder saw in one article: its content's hash, and "ok", "missing" or "broken"."""

    article: int
    content_hash: str | None
    status: str


def not_encoded(
    session: Session, modality: Modality, encoder_id: str, limit: int, among: Iterable[int] | None = None
) -> list[tuple[int, Article]]:
    """Articles (with their keys) that this encoder has not looked at yet, newest first.

    To look at the whole catalogue takes long where it is large; ``among`` names the keys that may be waiting.
    """
    waiting = select(ArticleRow).where(_not_looked_at(modality, encoder_id), ArticleRow.deleted_at.is_(None))
    newest = waiting.order_by(ArticleRow.key.desc()).limit(limit)
    if among is None:
        parts = [newest]
    else:
        parts = [newest.where(ArticleRow.key.in_(part)) for part in chunks(sorted(among, reverse=True))]
    found = [(row.key, to_article(row)) for part in parts for row in session.scalars(part)]
    return found[:limit]


def count_not_encoded(session: Session, modality: Modality, encoder_id: str) -> int:
    """How many articles this encoder has not looked at yet."""
    statement = select(func.count()).where(_not_looked_at(modality, encoder_id), ArticleRow.deleted_at.is_(None))
    return session.scalar(statement.select_from(ArticleRow)) or 0


def storable(vectors: Floats32) -> Bools:
    """Which vectors (n, d) can be cached (n,): those that are finite, rounded as they are kept."""
    with np.errstate(over="ignore"):
        return np.asarray(np.isfinite(vectors.astype(STORED)).all(axis=1))


def known_hashes(session: Session, encoder_id: str, hashes: Iterable[str]) -> set[str]:
    """Those content hashes whose vector is cached."""
    known: set[str] = set()
    for chunk in chunks(hashes):
        found = select(VectorRow.content_hash).where(
            VectorRow.encoder_id == encoder_id, VectorRow.content_hash.in_(chunk)
        )
        known.update(session.scalars(found))
    return known


def put_contents(
    session: Session,
    modality: Modality,
    encoder_id: str,
    contents: Sequence[Content],
    vectors: Mapping[str, Floats32],
    *,
    served: bool = True,
) -> None:
    """Store new vectors by content hash, and which article has which content.

    ``served`` is False for vectors that no process keeps a copy of, so that none need be told of them.
    """
    cached = [
        {"encoder_id": encoder_id, "content_hash": h, "vector": v.astype(STORED).tobytes()} for h, v in vectors.items()
    ]
    insert_new(session, VECTORS, cached)
    rows = [
        {
            "article": c.article,
            "modality": modality,
            "encoder_id": encoder_id,
            "content_hash": c.content_hash,
            "status": c.status,
        }
        for c in contents
    ]
    upsert(session, CONTENTS, rows, ["article", "modality", "encoder_id"])
    if served:
        record_changes(session, [c.article for c in contents])


def load_vectors(session: Session, modality: Modality, encoder_id: str, dim: int, keys: Ints) -> tuple[Floats32, Bools]:
    """Vectors of the articles with these keys.

    Returns:
        float32 (n, dim), zeros where there is none, and bool (n,) that says where there is one. One that is not finite
        counts as none: an older program may have cached it.
    """
    vectors = np.zeros((len(keys), dim), np.float32)
    mask = np.zeros(len(keys), np.bool_)
    rows_of: dict[int, list[int]] = {}
    for row, key in enumerate(keys.tolist()):
        rows_of.setdefault(key, []).append(row)
    for chunk in chunks(rows_of):
        statement = (
            select(ContentRow.article, VectorRow.vector)
            .join(VectorRow, (VectorRow.encoder_id == encoder_id) & (VectorRow.content_hash == ContentRow.content_hash))
            .where(ContentRow.modality == modality, ContentRow.encoder_id == encoder_id, ContentRow.article.in_(chunk))
        )
        for key, stored in session.execute(statement):
            vectors[rows_of[key]] = np.frombuffer(stored, STORED)
            mask[rows_of[key]] = True
    unsound = ~np.isfinite(vectors.sum(axis=1))  # of float16 values, whose sum cannot overflow
    if unsound.any():
        log.warning("%d %s vectors that are not finite are passed over", unsound.sum(), modality)
        vectors[unsound], mask[unsound] = 0, False
    return vectors, mask


def encoders_of(session: Session, modality: Modality) -> set[str]:
    """Ids of the encoders that have made vectors of a modality."""
    made = select(ContentRow.encoder_id).where(ContentRow.modality == modality, ContentRow.status == "ok")
    return set(session.scalars(made.distinct()))


def dim_of(session: Session, encoder_id: str) -> int:
    """Length of this encoder's vectors; 1 while there are none."""
    stored = session.scalar(select(VectorRow.vector).where(VectorRow.encoder_id == encoder_id).limit(1))
    return 1 if stored is None else len(stored) // STORED.itemsize


def _not_looked_at(modality: Modality, encoder_id: str) -> ColumnElement[bool]:
    """An anti-join: PostgreSQL would try a long NOT IN (...) row by row."""
    seen = (ContentRow.article == ArticleRow.key, ContentRow.modality == modality, ContentRow.encoder_id == encoder_id)
    return ~select(ContentRow.article).where(*seen).exists()
