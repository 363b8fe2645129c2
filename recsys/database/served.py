"""Lists that were answered, and how they become impressions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import bindparam, delete, exists, select
from sqlalchemy.orm import Session

from recsys.database import articles, users
from recsys.database.bulk import chunks, insert_new
from recsys.database.events import context_columns
from recsys.database.tables import CLICKS, IMPRESSIONS, SERVED, ArticleRow, ImpressionRow, ServedRow, UserRow
from recsys.domain import Context, Page, Recommendation, Timestamp

# made once, and of tables, since every answer asks it; a join of both has SQLite read all clicks of each user instead
CLICKED = select(CLICKS.c.impression_id, CLICKS.c.user).where(
    CLICKS.c.impression_id.in_(bindparam("impression_ids", expanding=True))
)
BATCH = 5000  # rows deleted in one transaction, so that nobody waits long for the write lock
LIST_COLUMNS = ("user", "at", "shown", "page", "context_article", "device", "subscriber", "placement")


@dataclass(frozen=True)
class ServedList:
    """What was answered to whom, by which model version, and with which propensity at each place."""

    impression_id: str
    user_id: str
    at: Timestamp
    answer: Sequence[Recommendation]
    context: Context
    model_version: str
    propensities: Sequence[float] | None = None
    user: int = 0  # key by which the answer knew the user; 0: not at all


@dataclass(frozen=True)
class FoundList:
    """To whom (user id), in which context and of what a list was served."""

    user_id: str
    context: Context
    shown: Sequence[int]  # article keys


def log_served(session: Session, lists: Sequence[ServedList]) -> None:
    """Remember what was answered, but not to readers who were erased since: that would bring them back."""
    known = users.readers_now(session, {one.user for one in lists if one.user})
    new = users.ensure_keys(session, [one.user_id for one in lists if not one.user])
    readers = [known.get(one.user) if one.user else new[one.user_id] for one in lists]
    mentioned = {item.article_id for one in lists for item in one.answer}
    reading = {one.context.context_article for one in lists} - {None}
    keys = articles.keys_of(session, mentioned | {name for name in reading if name is not None})
    named = zip(lists, readers, strict=True)
    insert_new(session, SERVED, [_row(one, keys, reader) for one, reader in named if reader is not None])


def find_served(session: Session, impression_ids: Iterable[str]) -> dict[str, FoundList]:
    """Lists that were served, by impression id, as far as they are known."""
    found: dict[str, FoundList] = {}
    for chunk in chunks(impression_ids):
        statement = (
            select(ServedRow, UserRow.user_id, ArticleRow.article_id)
            .join(UserRow, UserRow.key == ServedRow.user)
            .outerjoin(ArticleRow, ArticleRow.key == ServedRow.context_article)
            .where(ServedRow.impression_id.in_(chunk))
        )
        for row, user_id, reading in session.execute(statement):
            page = cast(Page | None, row.page)
            context = Context(page, reading, row.device, row.subscriber, row.placement)
            found[row.impression_id] = FoundList(user_id, context, row.shown)
    return found


def confirm_served(session: Session, impression_id: str, known_at: Timestamp) -> bool:
    """Make an impression of a served list, unless it is one already.

    False when nothing was served under this id, or a list of nothing, which nobody can have seen.
    """
    served = session.get(ServedRow, impression_id)
    if served is None or not served.shown:
        return False
    if session.scalar(select(ImpressionRow.position).where(ImpressionRow.impression_id == impression_id)) is None:
        columns = {name: getattr(served, name) for name in LIST_COLUMNS}
        insert_new(session, IMPRESSIONS, [{"impression_id": impression_id, "known_at": known_at, **columns}])
    return True


def confirm_clicked(session: Session, impression_ids: Iterable[str], known_at: Timestamp) -> None:
    """Make impressions of those served lists that a click of the same user named before they were logged."""
    for chunk in chunks(impression_ids):
        clicked = {(name, user) for name, user in session.execute(CLICKED, {"impression_ids": chunk})}
        for impression_id in sorted({name for name, user in clicked if _is_of(session, name, user)}):
            confirm_served(session, impression_id, known_at)


def forget_unseen(session: Session, before: Timestamp, limit: int) -> int:
    """Delete at most ``limit`` lists served before a time that never became impressions, and return how many it were.

    Those that did stay: they say which model version made the list.
    """
    seen = exists().where(ImpressionRow.impression_id == ServedRow.impression_id)
    old = select(ServedRow.impression_id).where(ServedRow.at < before, ~seen).order_by(ServedRow.at).limit(limit)
    gone = delete(ServedRow).where(ServedRow.impression_id.in_(old)).returning(ServedRow.impression_id)
    return len(session.scalars(gone).all())


def _is_of(session: Session, impression_id: str, user: int) -> bool:
    return session.scalar(select(SERVED.c.user).where(SERVED.c.impression_id == impression_id)) == user


def _row(one: ServedList, keys: dict[str, int], reader: int) -> dict[str, Any]:
    return {
        "impression_id": one.impression_id,
        "user": reader,
        "at": one.at,
        "shown": [keys[item.article_id] for item in one.answer],
        "scores": [item.score for item in one.answer],
        "model_version": one.model_version,
        "propensities": None if one.propensities is None else [float(value) for value in one.propensities],
        **context_columns(one.context, keys),
    }
