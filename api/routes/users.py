"""What is known of a user, and its erasure."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.deps import SessionsDep
from api.fields import PathId, instant
from api.problems import documented
from api.schemas import PastOut, UserOut
from recsys.database import users
from recsys.database.session import writing
from recsys.domain import NotKnownError

router = APIRouter(prefix="/users")


@router.get("/{user_id}", responses=documented(404))
def get_user(user_id: PathId, sessions: SessionsDep, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> UserOut:
    """Counts, and the newest clicks and dismissals."""
    with sessions() as session:
        key = users.key_of(session, user_id)
        if key is None:
            raise _unknown(user_id)
        counts, history = users.counts_of(session, key), users.past_of(session, key, limit)
    return UserOut(user_id=user_id, **counts, history=[_past(past) for past in history])


@router.delete("/{user_id}", status_code=204, responses=documented(404))
def erase_user(user_id: PathId, sessions: SessionsDep) -> None:
    """Forget a user and everything they did."""
    with writing(sessions) as session:
        if not users.erase(session, user_id):
            raise _unknown(user_id)


def _past(past: users.Past) -> PastOut:
    return PastOut(
        article_id=past.article_id,
        title=past.title,
        type="click" if past.weight > 0 else "dismiss",
        at=instant(past.at),
        dwell_seconds=past.dwell_seconds,
    )


def _unknown(user_id: str) -> NotKnownError:
    return NotKnownError(f"Nothing was ever heard of a user {user_id!r}.")
