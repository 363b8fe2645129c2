"""Articles that turned out to be one: a merged id leaves the catalogue and stays as an alias of the one that goes on.

The log is not rewritten: it still says which id was shown and clicked. Where it is read into columns, each key becomes
that of the article which it is today, from the first event on: that two ids are one article was true before anybody
noticed. So after a merge a process must fold the log anew.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
from sqlalchemy import Select, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from recsys.columns import ClickColumns, EventLog, ImpressionColumns, Ints
from recsys.database.articles import record_changes
from recsys.database.bulk import chunks, one_at_a_time
from recsys.database.tables import ARTICLES, ArticleRow
from recsys.domain import NotKnownError, NotPossibleError, Timestamp

Aliases = Mapping[int, int]  # key of a merged article -> key of the one that it is part of; never a chain
TODAY = func.coalesce(ArticleRow.merged_into, ArticleRow.key).label("today")
# made once, since every answer asks it; "> 0" and not "is not null": both databases find it by the index
MERGED = select(ARTICLES.c.key, ARTICLES.c.merged_into).where(ARTICLES.c.merged_into > 0)


def merge(session: Session, article_id: str, into: str, at: Timestamp) -> str:
    """Make ``article_id`` an alias of the article ``into``, or of the one that ``into`` is an alias of.

    Merging twice changes nothing. What was merged into ``article_id`` before goes along with it.

    Returns:
        the id of the article that goes on.

    Raises:
        NotKnownError: when nothing is known of ``article_id``, or ``into`` is not in the catalogue.
        NotPossibleError: when both are one article already, or ``article_id`` belongs to a third one.
    """
    if article_id == into:
        raise NotPossibleError(f"Article {article_id!r} cannot be merged into itself: name another one.")
    one_at_a_time(session, "articles")  # as whoever writes articles
    merged, survivor = _row(session, article_id), _survivor(session, into)
    if merged is None:
        raise NotKnownError(f"There is no article {article_id!r}: nothing is known that could be merged.")
    if survivor is None or survivor.deleted_at is not None:
        raise NotKnownError(f"There is no article {into!r} in the catalogue: PUT it to /v1/articles first.")
    if merged.merged_into == survivor.key:
        return survivor.article_id
    _check_free(session, merged, survivor)
    group = or_(ArticleRow.key == merged.key, ArticleRow.merged_into == merged.key)
    keys = list(session.scalars(select(ArticleRow.key).where(group)))
    session.execute(update(ArticleRow).where(group).values(merged_into=survivor.key))
    left = ArticleRow.deleted_at.is_(None)
    session.execute(update(ArticleRow).where(ArticleRow.key == merged.key, left).values(deleted_at=at))
    record_changes(session, [*keys, survivor.key])
    return survivor.article_id


def merged_into(session: Session, article_ids: Iterable[str]) -> dict[str, str]:
    """Those of the ids that are aliases, and the ids of the articles that they are part of."""
    found: dict[str, str] = {}
    survivor = aliased(ArticleRow)
    for chunk in chunks(article_ids):
        statement = select(ArticleRow.article_id, survivor.article_id.label("into"))
        statement = statement.join(survivor, survivor.key == ArticleRow.merged_into)
        rows = session.execute(statement.where(ArticleRow.article_id.in_(chunk)))
        found.update((row.article_id, row.into) for row in rows)
    return found


def surviving_keys(session: Session, article_ids: Iterable[str]) -> dict[str, int]:
    """Keys of the articles that these ids stand for today, as far as the ids are known; deleted ones included."""
    keys: dict[str, int] = {}
    for chunk in chunks(dict.fromkeys(article_ids)):
        rows = session.execute(select(ArticleRow.article_id, TODAY).where(ArticleRow.article_id.in_(chunk)))
        keys.update((row.article_id, row.today) for row in rows)
    return keys


def same_article(article_id: str) -> Select[int]:
    """The keys under which the log may know the article that an id stands for, as a subquery."""
    survivor = select(TODAY).where(ArticleRow.article_id == article_id).scalar_subquery()
    other = aliased(ArticleRow)
    return select(other.key).where(or_(other.key == survivor, other.merged_into == survivor))


def aliases(session: Session) -> Aliases:
    """Every merged article; merges are rare, so all are read at once."""
    return {key: into for key, into in session.execute(MERGED) if into is not None}


def surviving(keys: Ints, known: Aliases) -> Ints:
    """The keys (n,) of the articles that these keys (n,) stand for today."""
    if not known or len(keys) == 0:
        return keys
    merged = np.array(sorted(known), np.int64)
    into = np.array([known[key] for key in merged.tolist()], np.int64)
    place = np.minimum(np.searchsorted(merged, keys), len(merged) - 1)
    return np.where(merged[place] == keys, into[place], keys)


def as_today(log: EventLog, known: Aliases) -> EventLog:
    """A stretch of the log in which every article stands under its surviving key.

    A list that then names an article twice keeps the first place.
    """
    if not known:
        return log
    return EventLog(_impressions(log.impressions, known), _clicks(log.clicks, known))


def list_as_today(shown: Iterable[int], known: Aliases) -> list[int]:
    """One list of keys in the same way."""
    return list(dict.fromkeys(known.get(key, key) for key in shown)) if known else list(shown)


def _impressions(shown: ImpressionColumns, known: Aliases) -> ImpressionColumns:
    items, lists = surviving(shown.items, known), np.repeat(np.arange(len(shown)), np.diff(shown.offsets))
    codes = lists * (int(items.max(initial=0)) + 1) + items
    first = np.sort(np.unique(codes, return_index=True)[1])
    offsets = np.concatenate([[0], np.cumsum(np.bincount(lists[first], minlength=len(shown)))]).astype(np.int64)
    return replace(shown, items=items[first], offsets=offsets, context_article=surviving(shown.context_article, known))


def _clicks(clicks: ClickColumns, known: Aliases) -> ClickColumns:
    return replace(clicks, article=surviving(clicks.article, known))


def _row(session: Session, article_id: str) -> ArticleRow | None:
    statement = select(ArticleRow).where(ArticleRow.article_id == article_id)
    return session.scalar(statement.execution_options(populate_existing=True))


def _survivor(session: Session, article_id: str) -> ArticleRow | None:
    row = _row(session, article_id)
    return row if row is None or row.merged_into is None else session.get_one(ArticleRow, row.merged_into)


def _check_free(session: Session, merged: ArticleRow, survivor: ArticleRow) -> None:
    """Refuse what would make a ring, or take an alias away from its article."""
    if merged.key == survivor.key:
        raise NotPossibleError(f"The other one was merged into {merged.article_id!r} already: that one goes on.")
    if merged.merged_into is not None:
        third = session.get_one(ArticleRow, merged.merged_into).article_id
        raise NotPossibleError(
            f"Article {merged.article_id!r} was merged into {third!r} already: merge {third!r} into "
            f"{survivor.article_id!r} if all three are one."
        )
