"""Readers who log in: what was heard of an anonymous id becomes the history of the reader that it turned out to be.

Rows of the log are handed over, so that the next answer knows both histories in every process: the user side of the
fold is read from the database at request time. On the article side a running process may remember the old key among
an article's readers until it folds the log anew; nobody has that key any more, so it only weakens co-click a little.
"""

from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import CursorResult, or_, select, update
from sqlalchemy.orm import Session

from recsys.database import users
from recsys.database.bulk import one_at_a_time
from recsys.database.tables import ClickRow, ImpressionRow, ServedRow, UserRow
from recsys.domain import NotKnownError, NotPossibleError, NotReadyError


@dataclass(frozen=True)
class Moved:
    """Whom an id belongs to now, and what was handed over at this call."""

    into: str
    clicks: int = 0
    impressions: int = 0
    served: int = 0


def merge(session: Session, user_id: str, into: str) -> Moved:
    """Make ``user_id`` an alias of the reader ``into``, who is created where nothing was heard of them yet.

    Whatever names the old id from now on counts for the reader. Merging twice changes nothing.

    Raises:
        NotKnownError: when nothing was ever heard of ``user_id``.
        NotPossibleError: when it is ``into``, or belongs to another reader already.
        NotReadyError: when one of them is erased at the same time.
    """
    if user_id == into:
        raise NotPossibleError(f"User {user_id!r} cannot be merged into itself: name another one.")
    one_at_a_time(session, "merges of users")
    anonymous = users.key_of(session, user_id)
    if anonymous is None:
        raise NotKnownError(f"Nothing was ever heard of a user {user_id!r}: there is nothing to merge.")
    reader, owner = users.ensure_keys(session, [into])[into], users.readers_of(session, [user_id]).get(user_id)
    if anonymous == reader:
        return Moved(users.ids_of(session, reader)[0])
    if owner is not None:
        raise NotPossibleError(
            f"User {user_id!r} logged in as {owner!r} before and belongs to them: give a device on which another "
            "reader logs in a new anonymous id."
        )
    return _hand_over(session, *_locked(session, anonymous, reader))


def _hand_over(session: Session, anonymous: UserRow, reader: UserRow) -> Moved:
    old, new = anonymous.key, reader.key
    moved = Moved(
        reader.user_id,
        clicks=_give(session, ClickRow, old, new),
        impressions=_give(session, ImpressionRow, old, new),
        served=_give(session, ServedRow, old, new),
    )
    reader.robot = reader.robot or anonymous.robot
    group = or_(UserRow.key == old, UserRow.merged_into == old)
    session.execute(update(UserRow).where(group).values(merged_into=new, robot=False))
    return moved


def _give(session: Session, table: type[ClickRow | ImpressionRow | ServedRow], old: int, new: int) -> int:
    result = session.execute(update(table).where(table.user == old).values(user=new))
    return cast(CursorResult[Any], result).rowcount


def _locked(session: Session, anonymous: int, reader: int) -> tuple[UserRow, UserRow]:
    """Both rows, where the database locks rows: whoever writes events of one of them ends first."""
    statement = select(UserRow).where(UserRow.key.in_([anonymous, reader])).order_by(UserRow.key).with_for_update()
    rows = {row.key: row for row in session.scalars(statement.execution_options(populate_existing=True))}
    if len(rows) < 2:
        raise NotReadyError("One of the two users was erased at this very moment: look again.")
    return rows[anonymous], rows[reader]
