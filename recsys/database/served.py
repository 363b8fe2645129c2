"""Lists that were answered, and how they become impressions."""

from collections.abc import Iterable
from typing import cast

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session

from recsys.database import articles, users
from recsys.database.bulk import chunks, insert_new
from recsys.database.events import IMPRESSIONS, context_columns
from recsys.database.tables import ArticleRow, ImpressionRow, ServedRow, UserRow
from recsys.domain import Context, Page, Recommendation, Timestamp

BATCH = 5000  # rows deleted in one transaction, so that nobody waits long for the write lock
LIST_COLUMNS = ("user", "at", "shown", "page", "context_article", "device", "subscriber", "placement")


def log_served(
    session: Session,
    *,
    impression_id: str,
    user_id: str,
    at: Timestamp,
    answer: list[Recommendation],
    context: Context,
    model_version: str,
) -> None:
    """Remember what was answered to whom, by which model version."""
    mentioned = [item.article_id for item in answer]
    keys = articles.keys_of(session, [*mentioned, *([context.context_article] if context.context_article else [])])
    session.add(
        ServedRow(
            impression_id=impression_id,
            user=users.ensure_keys(session, [user_id])[user_id],
            at=at,
            shown=[keys[article_id] for article_id in mentioned],
            scores=[item.score for item in answer],
            model_version=model_version,
            **context_columns(context, keys),
        )
    )


def find_served(session: Session, impression_ids: Iterable[str]) -> dict[str, tuple[str, Context]]:
    """To whom (user id) and in which context lists were served, by impression id, as far as they are known."""
    found: dict[str, tuple[str, Context]] = {}
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
            found[row.impression_id] = user_id, context
    return found


def confirm_served(session: Session, impression_id: str, known_at: Timestamp) -> bool:
    """Make an impression of a served list, unless it is one already; False when nothing was served under this id."""
    served = session.get(ServedRow, impression_id)
    if served is None:
        return False
    if session.scalar(select(ImpressionRow.position).where(ImpressionRow.impression_id == impression_id)) is None:
        columns = {name: getattr(served, name) for name in LIST_COLUMNS}
        insert_new(session, IMPRESSIONS, [{"impression_id": impression_id, "known_at": known_at, **columns}])
    return True


def forget_unseen(session: Session, before: Timestamp, limit: int) -> int:
    """Delete at most ``limit`` lists served before a time that never became impressions, and return how many it were.

    Those that did stay: they say which model version made the list.
    """
    seen = exists().where(ImpressionRow.impression_id == ServedRow.impression_id)
    old = select(ServedRow.impression_id).where(ServedRow.at < before, ~seen).order_by(ServedRow.at).limit(limit)
    gone = delete(ServedRow).where(ServedRow.impression_id.in_(old)).returning(ServedRow.impression_id)
    return len(session.scalars(gone).all())
