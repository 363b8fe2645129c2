"""Readers: their keys, what they clicked and were shown, and their erasure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import BindParameter, Integer, Row, bindparam, delete, func, select
from sqlalchemy.orm import Session, aliased

from recsys.database import audit
from recsys.database.bulk import chunks, insert_new
from recsys.database.tables import (
    AUDIT,
    CLICKS,
    IMPRESSIONS,
    USERS,
    ArticleRow,
    ClickRow,
    ImpressionRow,
    ServedRow,
    UserRow,
)
from recsys.database.types import SECONDS
from recsys.domain import RecsysError, Timestamp

ERASED = "user.erase"  # in the audit
READER = func.coalesce(USERS.c.merged_into, USERS.c.key).label("reader")

# what every answer, every batch of events or every look at the log asks: made once, and of tables
ERASED_SINCE = select(AUDIT.c.subject).where(AUDIT.c.at >= bindparam("at", type_=SECONDS), AUDIT.c.action == ERASED)
USER_IDS: BindParameter[str] = bindparam("user_ids", expanding=True)
OWNER = USERS.alias("owner")
# both hold what they find: nobody erases or merges these readers before the transaction ends
KEYS = (
    select(USERS.c.user_id, READER)
    .where(USERS.c.user_id.in_(USER_IDS))
    .order_by(USERS.c.key)
    .with_for_update(read=True, key_share=True)
)
READERS = (
    select(USERS.c.key, READER)
    .where(USERS.c.key.in_(bindparam("keys", expanding=True)))
    .order_by(USERS.c.key)
    .with_for_update(read=True, key_share=True)
)
OWNERS = (
    select(USERS.c.user_id, OWNER.c.user_id.label("owner"))
    .join(OWNER, OWNER.c.key == USERS.c.merged_into)
    .where(USERS.c.user_id.in_(USER_IDS))
)
KEY_OF = select(READER).where(USERS.c.user_id == bindparam("user_id"))
BEFORE, LIMIT = bindparam("before", type_=SECONDS), bindparam("limit", type_=Integer)
NEWEST_CLICKS = (
    select(CLICKS.c.article, CLICKS.c.at, CLICKS.c.weight)
    .where(CLICKS.c.user == bindparam("user"), CLICKS.c.known_at < BEFORE)
    .order_by(CLICKS.c.known_at.desc(), CLICKS.c.at.desc(), CLICKS.c.position.desc())
    .limit(LIMIT)
)
NEWEST_IMPRESSIONS = (
    select(IMPRESSIONS.c.known_at, IMPRESSIONS.c.shown)
    .where(IMPRESSIONS.c.user == bindparam("user"), IMPRESSIONS.c.known_at < BEFORE)
    .order_by(IMPRESSIONS.c.known_at.desc(), IMPRESSIONS.c.at.desc(), IMPRESSIONS.c.position.desc())
    .limit(LIMIT)
)


def key_of(session: Session, user_id: str) -> int | None:
    """Key of the reader that an id belongs to; None when nothing was ever heard of it."""
    key: int | None = session.scalar(KEY_OF, {"user_id": user_id})
    return key


def ids_of(session: Session, user: int) -> list[str]:
    """The reader's own id, and then the ids that logged in as them."""
    own = session.get_one(UserRow, user).user_id
    return [own, *session.scalars(select(UserRow.user_id).where(UserRow.merged_into == user).order_by(UserRow.key))]


def readers_of(session: Session, user_ids: Iterable[str]) -> dict[str, str]:
    """Those of the ids that logged in as a reader, and the ids of those readers."""
    found: dict[str, str] = {}
    for chunk in chunks(user_ids):
        found.update((user_id, owner) for user_id, owner in session.execute(OWNERS, {"user_ids": chunk}))
    return found


def ensure_keys(session: Session, user_ids: Iterable[str]) -> dict[str, int]:
    """Keys of the readers that all these ids belong to; new users are created.

    Where the database locks rows, none of them can be merged away before this transaction has written its events.
    """
    wanted = sorted(set(user_ids))  # in one order everywhere, so that two writers cannot wait for each other
    keys = _keys(session, wanted)
    unknown = [user_id for user_id in wanted if user_id not in keys]
    if unknown:
        insert_new(session, USERS, [{"user_id": user_id} for user_id in unknown])
        keys.update(_keys(session, unknown))
    return keys


def newest_clicks(session: Session, user: int, before: Timestamp, limit: int) -> Sequence[Row[int, Timestamp, float]]:
    """The user's newest clicks known strictly before a time, oldest first, as rows: article key, time and weight."""
    return session.execute(NEWEST_CLICKS, {"user": user, "before": before, "limit": limit}).all()[::-1]


def newest_impressions(
    session: Session, user: int, before: Timestamp, limit: int
) -> Sequence[Row[Timestamp, list[int]]]:
    """The newest lists shown to the user, known strictly before a time, oldest first: that time, and article keys."""
    return session.execute(NEWEST_IMPRESSIONS, {"user": user, "before": before, "limit": limit}).all()[::-1]


@dataclass(frozen=True)
class Past:
    """One thing that a user did."""

    article_id: str
    title: str | None
    at: Timestamp
    dwell_seconds: float | None
    weight: float  # 0: dismissed


def past_of(session: Session, user: int, limit: int) -> list[Past]:
    """The newest clicks of a user, newest first."""
    clicked = aliased(ArticleRow)  # which may have been merged into another one since
    statement = (
        select(ArticleRow.article_id, ArticleRow.title, ClickRow.at, ClickRow.dwell_seconds, ClickRow.weight)
        .select_from(ClickRow)
        .join(clicked, clicked.key == ClickRow.article)
        .join(ArticleRow, ArticleRow.key == func.coalesce(clicked.merged_into, clicked.key))
        .where(ClickRow.user == user)
        .order_by(ClickRow.known_at.desc(), ClickRow.at.desc(), ClickRow.position.desc())
        .limit(limit)
    )
    return [Past(*row) for row in session.execute(statement)]


def counts_of(session: Session, user: int) -> dict[str, int]:
    """How many clicks, dismissals, impressions and served lists are known of a user."""
    clicks = select(func.count()).select_from(ClickRow).where(ClickRow.user == user)
    return {
        "clicks": session.scalar(clicks.where(ClickRow.weight > 0)) or 0,
        "dismissed": session.scalar(clicks.where(ClickRow.weight == 0)) or 0,
        "impressions": session.scalar(select(func.count()).where(ImpressionRow.user == user)) or 0,
        "served": session.scalar(select(func.count()).where(ServedRow.user == user)) or 0,
    }


def busiest(session: Session) -> str:
    """The user with the most clicks.

    Raises:
        RecsysError: when nobody clicked yet.
    """
    statement = select(UserRow.user_id).join(ClickRow, ClickRow.user == UserRow.key)
    user_id = session.scalar(statement.group_by(UserRow.key).order_by(func.count().desc(), UserRow.key).limit(1))
    if user_id is None:
        raise RecsysError("Nobody clicked on anything yet: import a log first.")
    return user_id


def erase(session: Session, user_id: str, *, at: Timestamp, who: str) -> bool:
    """Forget the reader that an id belongs to, with all their ids and everything they did; False for an unknown id.

    The audit keeps who did so and the keys of all their ids, which name nobody any more, see ``erased_since``.
    """
    user = key_of(session, user_id)
    if user is None:
        return False
    own = (USERS.c.key == user) | (USERS.c.merged_into == user)
    keys = session.scalars(select(USERS.c.key).where(own).order_by(USERS.c.key)).all()
    session.execute(delete(UserRow).where(UserRow.key == user))
    for key in keys:
        audit.record(session, at=at, who=who, action=ERASED, subject=str(key))
    return True


def erased_since(session: Session, at: Timestamp) -> set[int]:
    """Keys of the readers who were erased from a time on, for processes that remember some."""
    return {int(key) for key in session.scalars(ERASED_SINCE, {"at": at})}


def readers_now(session: Session, keys: Iterable[int]) -> dict[int, int]:
    """By user key the key of the reader it belongs to, without those who were erased.

    Where the database locks rows, none of them can be erased or merged away before this transaction ends.
    """
    found: dict[int, int] = {}
    for chunk in chunks(sorted(keys)):
        found.update((key, reader) for key, reader in session.execute(READERS, {"keys": chunk}))
    return found


def _keys(session: Session, user_ids: list[str]) -> dict[str, int]:
    keys: dict[str, int] = {}
    for chunk in chunks(user_ids):
        keys.update((user_id, reader) for user_id, reader in session.execute(KEYS, {"user_ids": chunk}))
    return keys
