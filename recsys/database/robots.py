"""Robots: users who click faster than people do, or who were flagged. They get answers, and nobody learns from them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import BindParameter, Row, bindparam, func, select, update
from sqlalchemy.orm import Session

from recsys.columns import ClickColumns, EventLog, Floats, Ints
from recsys.database import users
from recsys.database.bulk import chunks
from recsys.database.tables import CLICKS, USERS, ClickRow, ImpressionRow, UserRow
from recsys.database.types import SECONDS
from recsys.domain import Timestamp

HOUR = 3600.0  # seconds
COUNTED = (CLICKS.c.weight > 0, ~CLICKS.c.backfilled)  # a history told in bulk says nothing of how fast it was made
TIMES = select(CLICKS.c.user, CLICKS.c.known_at).where(*COUNTED)
READERS: BindParameter[int] = bindparam("readers", expanding=True)
# made once, since every look at the log asks it
LATELY = TIMES.where(
    CLICKS.c.user.in_(READERS),
    CLICKS.c.known_at > bindparam("since", type_=SECONDS),
    CLICKS.c.known_at < bindparam("until", type_=SECONDS),
)
FLAGGED = select(USERS.c.key).where(USERS.c.robot)
FLAGGED_AMONG = FLAGGED.where(USERS.c.key.in_(READERS))


@dataclass(frozen=True)
class Robots:
    """Who was left out of a stretch of the log, and how much of it."""

    fast: Ints  # keys of those who click too fast
    users: int  # with anything in the stretch
    clicks: int
    impressions: int

    @property
    def counts(self) -> dict[str, int]:
        """For people and for JSON."""
        return {"users": self.users, "clicks": self.clicks, "impressions": self.impressions}


@dataclass(frozen=True)
class Robot:
    """One user who is left out."""

    user_id: str
    flagged: bool
    clicks: int
    impressions: int
    most_clicks_per_hour: int


def flag(session: Session, user_id: str, *, robot: bool = True) -> bool:
    """Flag a user (who may still be unheard of) as a robot, or take the flag back; False when it is so already."""
    key = users.ensure_keys(session, [user_id])[user_id] if robot else users.key_of(session, user_id)
    changed = update(UserRow).where(UserRow.key == key, UserRow.robot.is_not(robot)).values(robot=robot)
    return bool(session.scalars(changed.returning(UserRow.key)).all())


def flagged(session: Session, among: Iterable[int] | None = None) -> Ints:
    """Keys of the flagged users, rising; of all, or of some."""
    if among is None:
        return np.sort(np.array(session.scalars(FLAGGED).all(), np.int64))
    keys = [key for part in chunks(among) for key in session.scalars(FLAGGED_AMONG, {"readers": part})]
    return np.sort(np.array(keys, np.int64))


def known(session: Session, limit: int) -> Ints:
    """Keys of all robots of the log, rising: flagged, or with more than ``limit`` clicks in an hour (0: no limit)."""
    return np.union1d(flagged(session), _ever_fast(session, limit))


def too_fast(user: Ints, known_at: Floats, limit: int) -> Ints:
    """Keys of the users with more than ``limit`` of these clicks (n,) in less than an hour, rising; 0 is no limit."""
    if limit == 0 or len(user) <= limit:
        return np.zeros(0, np.int64)
    order = np.lexsort((known_at, user))
    who, when = user[order], known_at[order]
    fast = (who[limit:] == who[:-limit]) & (when[limit:] - when[:-limit] < HOUR)
    return np.unique(who[limit:][fast])


def leave_out(session: Session, log: EventLog, limit: int, until: Timestamp = np.inf) -> tuple[EventLog, Robots]:
    """A log from its first event on without its robots: only what it holds itself makes a user one of the fast.

    What became known ``until`` a time or later makes nobody a robot.
    """
    counted = (log.clicks.weight > 0) & (log.clicks.backfilled == 0) & (log.clicks.known_at < until)
    fast = too_fast(log.clicks.user[counted], log.clicks.known_at[counted], limit)
    rest = without(log, np.union1d(fast, flagged(session)))
    if rest is log:
        return log, Robots(fast, 0, 0, 0)
    gone = np.setdiff1d(_users(log), _users(rest))
    clicks, impressions = len(log.clicks) - len(rest.clicks), len(log.impressions) - len(rest.impressions)
    return rest, Robots(fast, len(gone), clicks, impressions)


def newly_fast(session: Session, clicks: ClickColumns, limit: int, until: Timestamp) -> Ints:
    """Which of the users who click in a new stretch, known before ``until``, became too fast in it."""
    if limit == 0 or len(clicks) == 0:
        return np.zeros(0, np.int64)
    since = float(clicks.known_at.min()) - HOUR
    rows: list[Row[int, float]] = []
    for readers in chunks(np.unique(clicks.user).tolist()):
        rows += session.execute(LATELY, {"readers": readers, "since": since, "until": until}).all()
    return _too_fast(rows, limit)


def without(log: EventLog, robots: Ints) -> EventLog:
    """A stretch of the log without what these users did and were shown."""
    shown, clicked = np.isin(log.impressions.user, robots), np.isin(log.clicks.user, robots)
    if not shown.any() and not clicked.any():
        return log
    return EventLog(log.impressions.take(~shown), log.clicks.take(~clicked))


def listed(session: Session, limit: int) -> list[Robot]:
    """All robots of the log, those with the most clicks first."""
    times: dict[int, list[float]] = {key: [] for key in known(session, limit).tolist()}
    for part in chunks(times):
        for user, known_at in session.execute(TIMES.where(CLICKS.c.user.in_(part))):
            times[user].append(known_at)
    found = [_robot(session, key, np.sort(np.array(when, np.float64))) for key, when in times.items()]
    return sorted(found, key=lambda robot: (-robot.clicks, robot.user_id))


def _ever_fast(session: Session, limit: int) -> Ints:
    """Only those with so many clicks at all are looked at."""
    if limit == 0:
        return np.zeros(0, np.int64)
    many = select(ClickRow.user).group_by(ClickRow.user).having(func.count() > limit)
    found = [np.zeros(0, np.int64)]
    for part in chunks(session.scalars(many).all()):
        clicks = session.execute(TIMES.where(CLICKS.c.user.in_(part))).all()
        found.append(_too_fast(clicks, limit))
    return np.concatenate(found)


def _too_fast(rows: Sequence[Row[int, float]], limit: int) -> Ints:
    return too_fast(np.array([row[0] for row in rows], np.int64), np.array([row[1] for row in rows]), limit)


def _robot(session: Session, key: int, times: Floats) -> Robot:
    user = session.get_one(UserRow, key)
    clicks = session.scalar(select(func.count()).where(ClickRow.user == key)) or 0
    lists = session.scalar(select(func.count()).where(ImpressionRow.user == key)) or 0
    in_an_hour = np.arange(1, len(times) + 1) - np.searchsorted(times, times - HOUR, side="right")
    return Robot(user.user_id, user.robot, clicks, lists, int(in_an_hour.max(initial=0)))


def _users(log: EventLog) -> Ints:
    return np.union1d(log.impressions.user, log.clicks.user)
