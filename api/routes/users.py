"""What is known of a user, its erasure, readers who log in, and robots."""

import time
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from api.deps import SETTLED, WRITES, SessionsDep
from api.fields import PathId, instant
from api.problems import documented
from api.schemas import MergeIn
from api.security import WhoDep, needs
from recsys.database import logins, robots, users
from recsys.database.session import writing
from recsys.domain import NotKnownError

router = APIRouter(prefix="/users")


class PastOut(BaseModel):
    """One thing that a user did."""

    article_id: str
    title: str | None
    type: Literal["click", "dismiss"]
    at: datetime
    dwell_seconds: float | None


class UserOut(BaseModel):
    """What is known of a user."""

    user_id: str = Field(description="the reader's own id, which is another one than asked for after a merge")
    aliases: list[str] = Field(description="ids that logged in as this reader")
    robot: bool = Field(description="flagged as a robot: left out of training and counters")
    clicks: int
    dismissed: int
    impressions: int = Field(description="lists that were seen")
    served: int = Field(description="lists that were answered")
    history: list[PastOut] = Field(description="newest first")


class UserMergedOut(BaseModel):
    """Whom an id belongs to now, and what was handed over at this call: nothing when it was merged before."""

    user_id: str
    into: str = Field(description="the reader; the end of the chain where `into` was merged itself")
    clicks: int
    impressions: int
    served: int


@router.get("/{user_id}", responses=documented(404), dependencies=[needs("read"), SETTLED])
def get_user(user_id: PathId, sessions: SessionsDep, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> UserOut:
    """Counts, and the newest clicks and dismissals, of the reader that an id belongs to."""
    with sessions() as session:
        key = users.key_of(session, user_id)
        if key is None:
            raise _unknown(user_id)
        counts, history = users.counts_of(session, key), users.past_of(session, key, limit)
        own, *aliases = users.ids_of(session, key)
        robot = len(robots.flagged(session, [key])) > 0
    past = [_past(past) for past in history]
    return UserOut(user_id=own, aliases=aliases, robot=robot, **counts, history=past)


@router.delete("/{user_id}", status_code=204, responses=documented(404), dependencies=[needs("write"), WRITES, SETTLED])
def erase_user(user_id: PathId, sessions: SessionsDep, who: WhoDep) -> None:
    """Forget the reader that an id belongs to: everything they did, under all their ids."""
    with writing(sessions) as session:
        if not users.erase(session, user_id, at=time.time(), who=who):
            raise _unknown(user_id)


@router.post("/{user_id}/merge", responses=documented(404, 409), dependencies=[needs("write"), WRITES, SETTLED])
def merge_user(user_id: PathId, body: MergeIn, sessions: SessionsDep) -> UserMergedOut:
    """An anonymous reader logs in: both histories become one, and the next answer knows it.

    Events and requests that still name the old id count for the reader. Merging again changes nothing. 404 for an id
    that was never heard of; a reader `into` whom nobody knows yet is created. 409 for an id that belongs to another
    reader already: a device on which a second person logs in needs a new anonymous id.
    """
    with writing(sessions) as session:
        moved = logins.merge(session, user_id, body.into)
    return UserMergedOut(user_id=user_id, **vars(moved))


@router.put("/{user_id}/robot", status_code=204, dependencies=[needs("write"), WRITES])
def flag_robot(user_id: PathId, sessions: SessionsDep) -> None:
    """Flag a robot, which may still be unheard of: it gets answers, but is left out of training and counters."""
    with writing(sessions) as session:
        robots.flag(session, user_id)


@router.delete("/{user_id}/robot", status_code=204, responses=documented(404), dependencies=[needs("write"), WRITES])
def unflag_robot(user_id: PathId, sessions: SessionsDep) -> None:
    """Take the flag back; one who clicks faster than people do stays left out by that."""
    with writing(sessions) as session:
        if users.key_of(session, user_id) is None:
            raise _unknown(user_id)
        robots.flag(session, user_id, robot=False)


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
