"""The catalogue: write, read, delete; and the keys that stand for articles in the log."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from sqlalchemy import bindparam, delete, func, or_, select, update
from sqlalchemy.orm import Session

from recsys.columns import NONE, Catalogue
from recsys.database import tail
from recsys.database.bulk import chunks, insert_new, one_at_a_time, upsert
from recsys.database.tables import ARTICLES, CHANGES, ArticleChangeRow, ArticleRow, ContentRow
from recsys.database.types import storable
from recsys.domain import Article, Timestamp

FIELDS = tuple(Article.__dataclass_fields__)
DESCRIBED = or_(*(getattr(ArticleRow, name).is_not(None) for name in FIELDS if name != "article_id"))
COLUMNS = (
    ArticleRow.key, ArticleRow.article_id, ArticleRow.published_at, ArticleRow.expires_at, ArticleRow.deleted_at,
    ArticleRow.section, ArticleRow.premium, ArticleRow.length, DESCRIBED.label("described"), ArticleRow.merged_into,
)  # fmt: skip
# made once, and of the table
KEYS = select(ARTICLES.c.article_id, ARTICLES.c.key).where(
    ARTICLES.c.article_id.in_(bindparam("article_ids", expanding=True))
)
NAMES = select(ARTICLES.c.key, ARTICLES.c.article_id, ARTICLES.c.title).where(
    ARTICLES.c.key.in_(bindparam("keys", expanding=True)), ARTICLES.c.deleted_at.is_(None)
)
ON_CARDS = ("article_id", "title", "section", "image", "published_at", "expires_at")
CARDS = select(ARTICLES.c.key, *(ARTICLES.c[name] for name in ON_CARDS)).where(
    ARTICLES.c.key.in_(bindparam("keys", expanding=True)), ARTICLES.c.deleted_at.is_(None)
)
ENCODED = ("title", "summary", "body", "image", "language")  # what encoders may look at


def keys_of(session: Session, article_ids: Iterable[str]) -> dict[str, int]:
    """Keys of the articles that are known, deleted ones included."""
    keys: dict[str, int] = {}
    for chunk in chunks(dict.fromkeys(article_ids)):
        rows = session.execute(KEYS, {"article_ids": chunk})
        keys.update((row.article_id, row.key) for row in rows)
    return keys


def ensure_keys(session: Session, article_ids: Iterable[str]) -> dict[str, int]:
    """Keys of all these articles; one that the catalogue does not know becomes a known id without content."""
    wanted = sorted(set(article_ids))  # in one order everywhere, so that two writers cannot wait for each other
    keys = keys_of(session, wanted)
    unknown = [article_id for article_id in wanted if article_id not in keys]
    if unknown:
        insert_new(session, ARTICLES, [{"article_id": article_id} for article_id in unknown])
        created = keys_of(session, unknown)
        record_changes(session, created.values())
        keys.update(created)
    return keys


def put_articles(session: Session, articles: Sequence[Article], *, revive: bool = True) -> int:
    """Insert or overwrite articles by id (the last of equal ids wins) and return how many really changed.

    One that was merged into another stays an alias of it and is passed over; so is one that was deleted, unless
    articles may come back (``revive``).
    """
    one_at_a_time(session, "articles")
    latest = {article.article_id: _storable(article) for article in articles}
    before = {row.article_id: row for row in _rows_by_id(session, latest)}
    changed = [a for a in latest.values() if _differs(before.get(a.article_id), a, revive=revive)]
    corrected = [a.article_id for a in changed if _says_other(before.get(a.article_id), a)]
    _write(session, changed, {article_id: row.key for article_id, row in before.items()})
    keys = keys_of(session, [article.article_id for article in changed])
    _forget_contents(session, [keys[article_id] for article_id in corrected])
    record_changes(session, keys.values())
    session.expire_all()
    return len(changed)


def get_article(session: Session, article_id: str) -> Article | None:
    """One article of the catalogue; None when unknown or deleted."""
    row = session.scalar(select(ArticleRow).where(ArticleRow.article_id == article_id, ArticleRow.deleted_at.is_(None)))
    return None if row is None else to_article(row)


def delete_article(session: Session, article_id: str, at: Timestamp) -> bool:
    """Take an article out of the catalogue; what happened with it stays in the log. False when there is none."""
    key = session.scalar(
        update(ArticleRow)
        .where(ArticleRow.article_id == article_id, ArticleRow.deleted_at.is_(None))
        .values(deleted_at=at)
        .returning(ArticleRow.key)
    )
    if key is not None:
        record_changes(session, [key])
    return key is not None


def articles_by_key(session: Session, keys: Iterable[int]) -> dict[int, Article]:
    """The articles with these keys that are in the catalogue now: what was deleted is not there."""
    found: dict[int, Article] = {}
    for chunk in chunks(keys):
        rows = session.scalars(select(ArticleRow).where(ArticleRow.key.in_(chunk), ArticleRow.deleted_at.is_(None)))
        found.update((row.key, to_article(row)) for row in rows)
    return found


def cards_by_key(session: Session, keys: Iterable[int]) -> dict[int, Article]:
    """The same with no more than a list shows of an article, for every answer asks it: no text, no author."""
    found: dict[int, Article] = {}
    for chunk in chunks(keys):
        rows = session.execute(CARDS, {"keys": chunk})
        found.update((key, Article(**dict(zip(ON_CARDS, values, strict=True)))) for key, *values in rows)
    return found


def named_by_key(session: Session, keys: Iterable[int]) -> dict[int, tuple[str, str | None]]:
    """Ids and titles of the articles with these keys that are in the catalogue now."""
    found: dict[int, tuple[str, str | None]] = {}
    for chunk in chunks(keys):
        found.update((key, (article_id, title)) for key, article_id, title in session.execute(NAMES, {"keys": chunk}))
    return found


def record_changes(session: Session, keys: Iterable[int]) -> None:
    """Tell the processes that keep a copy of these articles to read them again."""
    insert_new(session, CHANGES, [{"article": key} for key in keys])


def last_change(session: Session) -> int:
    """Mark of the newest change of the catalogue (see ``tail``)."""
    return tail.newest_mark(session, ArticleChangeRow)


def changed_after(session: Session, mark: int) -> list[int]:
    """Keys of the articles changed after a mark."""
    statement = select(ArticleChangeRow.article).where(tail.behind(session, ArticleChangeRow, mark)).distinct()
    return list(session.scalars(statement))


def changed_at(session: Session, mark: int) -> str | None:
    """Id of the article whose change has a mark; None for none. It tells whether a mark is of this database."""
    at_or_behind = tail.behind(session, ArticleChangeRow, mark - 1)
    changed = select(ArticleRow.article_id).join(ArticleChangeRow, ArticleChangeRow.article == ArticleRow.key)
    return session.scalar(changed.where(at_or_behind).order_by(ArticleChangeRow.position).limit(1))


def count_deleted(session: Session, article_ids: Iterable[str]) -> int:
    """How many of these were deleted; what was merged into another article lives on in that one."""
    gone = (ArticleRow.deleted_at.is_not(None), ArticleRow.merged_into.is_(None))
    counted = select(func.count()).select_from(ArticleRow).where(*gone)
    return sum(session.scalar(counted.where(ArticleRow.article_id.in_(some))) or 0 for some in chunks(article_ids))


def count_undescribed(session: Session) -> int:
    """How many ids were mentioned in the log but are not described by any catalogue."""
    empty = ~DESCRIBED & ArticleRow.deleted_at.is_(None)
    return session.scalar(select(func.count()).select_from(ArticleRow).where(empty)) or 0


def load_catalogue(session: Session, as_of: Timestamp = np.inf) -> Catalogue:
    """The whole catalogue as columns; what was deleted at ``as_of`` or later expired when it was."""
    rows = session.execute(select(*COLUMNS).order_by(ArticleRow.key)).all()
    sections = tuple(sorted({row.section for row in rows if row.section is not None}))
    catalogue = _empty_catalogue((rows[-1].key if rows else 0) + 1, sections)
    _fill(catalogue, rows, as_of)
    return catalogue


def updated(session: Session, known: Catalogue, keys: Iterable[int]) -> Catalogue:
    """A catalogue in which these articles are as they are now; names of new sections come behind those known."""
    rows = [
        row for part in chunks(keys) for row in session.execute(select(*COLUMNS).where(ArticleRow.key.in_(part))).all()
    ]
    new = sorted({row.section for row in rows if row.section is not None} - set(known.sections))
    size = max([len(known), *(row.key + 1 for row in rows)])
    catalogue = _empty_catalogue(size, (*known.sections, *new))
    for name in ("article_ids", "published_at", "expires_at", "section", "premium", "length", "described"):
        getattr(catalogue, name)[: len(known)] = getattr(known, name)
    _fill(catalogue, rows)
    return catalogue


def to_article(row: ArticleRow) -> Article:
    """A catalogue row as a domain object."""
    return Article(**{name: getattr(row, name) for name in FIELDS})


def _fill(catalogue: Catalogue, rows: Iterable[Any], as_of: Timestamp = np.inf) -> None:
    codes = {name: code for code, name in enumerate(catalogue.sections)}
    for row in rows:
        key = row.key
        catalogue.article_ids[key] = row.article_id
        catalogue.published_at[key] = np.nan if row.published_at is None else row.published_at
        catalogue.expires_at[key] = _expiry(row, as_of)
        catalogue.section[key] = codes.get(row.section, NONE)
        catalogue.premium[key] = np.nan if row.premium is None else row.premium
        catalogue.length[key] = np.nan if row.length is None else row.length
        catalogue.described[key] = row.described


def _empty_catalogue(size: int, sections: tuple[str, ...]) -> Catalogue:
    return Catalogue(
        article_ids=np.full(size, None, dtype=object),
        published_at=np.full(size, np.nan),
        expires_at=np.full(size, -np.inf),
        section=np.full(size, NONE, dtype=np.int64),
        sections=sections,
        premium=np.full(size, np.nan),
        length=np.full(size, np.nan),
        described=np.zeros(size, np.bool_),
    )


def _expiry(row: Any, as_of: Timestamp) -> float:
    """When an article expires; -inf for one that was deleted before ``as_of``, or merged into another one."""
    expires = np.inf if row.expires_at is None else row.expires_at
    if row.deleted_at is None:
        return float(expires)
    return -np.inf if row.deleted_at < as_of or row.merged_into is not None else min(expires, row.deleted_at)


def _rows_by_id(session: Session, article_ids: Iterable[str]) -> Iterable[ArticleRow]:
    for chunk in chunks(article_ids):
        yield from session.scalars(select(ArticleRow).where(ArticleRow.article_id.in_(chunk)))


def _storable(article: Article) -> Article:
    """The article with the times that will be read back."""
    times = (article.published_at, article.expires_at)
    published, expires = (None if time is None else storable(time) for time in times)
    return replace(article, published_at=published, expires_at=expires)


def _write(session: Session, articles: Sequence[Article], known: Mapping[str, int]) -> None:
    """Insert new articles and overwrite known ones: an insert that meets a known id would use up a key for nothing."""
    rows = [{**asdict(article), "deleted_at": None} for article in articles]
    upsert(session, ARTICLES, [row for row in rows if row["article_id"] not in known], ["article_id"])
    rewritten = [{"key": known[row["article_id"]], **row} for row in rows if row["article_id"] in known]
    for chunk in chunks(rewritten):
        session.execute(update(ArticleRow), chunk)


def _differs(row: ArticleRow | None, article: Article, *, revive: bool) -> bool:
    if row is None:
        return True
    return row.merged_into is None and (to_article(row) != article if row.deleted_at is None else revive)


def _says_other(row: ArticleRow | None, article: Article) -> bool:
    """Whether an encoder may see something else than before; a section or a time that is corrected is none of those."""
    return row is None or any(getattr(row, name) != getattr(article, name) for name in ENCODED)


def _forget_contents(session: Session, keys: Iterable[int]) -> None:
    """Content rows of corrected articles go, so that the encoders look at the articles again."""
    for chunk in chunks(keys):
        session.execute(delete(ContentRow).where(ContentRow.article.in_(chunk)))
