"""Reads from the database what the pipeline computes with: catalogue, content, user views and the log."""

from dataclasses import dataclass

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from recsys.columns import Catalogue, EventLog, Floats32, Ints
from recsys.database import articles, merges, robots, stretches, users, vectors
from recsys.database.tables import UserRow
from recsys.domain import Modality, Timestamp
from recsys.features.features import Attributes, attributes_of, title_signatures
from recsys.features.history import CLICK_LIMIT, SHOWN_LIMIT, UserView
from recsys.features.state import TASTE
from recsys.pipeline.content import Content
from recsys.pipeline.load_users import IMPRESSIONS_AT_FIRST, Shown, clicks_as_today, short_of_rows, user_view

TITLE = "title"
CATALOGUE = "catalogue"  # in a snapshot's metrics, the change of the catalogue that its indexes know as the newest


@dataclass(frozen=True)
class Dataset:
    """One consistent reading of the database: merged articles stand under one key, and robots are left out."""

    catalogue: Catalogue
    attributes: Attributes
    content: Content
    log: EventLog
    users: int  # more than the largest user key
    robots: robots.Robots  # who was left out
    change: tuple[int, str | None]  # mark of the newest change of the catalogue, and which article it was of


def load_dataset(
    session: Session,
    encoders: dict[Modality, str],
    *,
    until: Timestamp = np.inf,
    robot_limit: int = 0,
    robots_until: Timestamp = np.inf,
    as_of: Timestamp = np.inf,
) -> Dataset:
    """Everything known before ``until``, with the vectors that these encoders (ids by modality) have made.

    Users flagged as robots are left out, and those with more than ``robot_limit`` clicks in an hour (0: none)
    ``robots_until`` a time. What was deleted at ``as_of`` or later is there until it was.
    """
    whole = merges.as_today(stretches.read_log(session, until=until), merges.aliases(session))
    log, left_out = robots.leave_out(session, whole, robot_limit, robots_until)
    catalogue = articles.load_catalogue(session, as_of)  # after the log, so that it knows every article the log names
    content = load_content(session, encoders, np.arange(len(catalogue)))
    attributes = attributes_of(catalogue, signatures(content, len(catalogue)))
    newest = articles.last_change(session)
    change = (newest, articles.changed_at(session, newest))
    return Dataset(catalogue, attributes, content, log, user_room(session), left_out, change)


def load_content(session: Session, encoders: dict[Modality, str], keys: Ints) -> Content:
    """Raw vectors of the articles with these rising keys (n,)."""
    found = {
        name: vectors.load_vectors(session, name, encoder, vectors.dim_of(session, encoder), keys)
        for name, encoder in encoders.items()
    }
    return Content({name: v for name, (v, _) in found.items()}, {name: m for name, (_, m) in found.items()}, keys)


def signatures(content: Content, size: int) -> Floats32:
    """Title signatures (size, TASTE) of the rows of ``content``."""
    if TITLE not in content.vectors:
        return np.zeros((size, TASTE), np.float32)
    return title_signatures(content.vectors[TITLE])


def user_room(session: Session) -> int:
    """More than the largest user key."""
    return (session.scalar(select(func.max(UserRow.key))) or 0) + 1


def load_view(session: Session, user: int, before: Timestamp) -> UserView:
    """What was known of a user strictly before a time: the newest CLICK_LIMIT clicks and SHOWN_LIMIT shown rows."""
    known = merges.aliases(session)
    read = users.newest_clicks(session, user, before, CLICK_LIMIT)
    clicks = clicks_as_today(read, known)
    shown = _lists(session, user, before, IMPRESSIONS_AT_FIRST, known)
    return user_view(clicks, _lists(session, user, before, SHOWN_LIMIT, known) if short_of_rows(shown) else shown)


def _lists(session: Session, user: int, before: Timestamp, limit: int, known: merges.Aliases) -> list[Shown]:
    read = users.newest_impressions(session, user, before, limit)
    return [(row.known_at, merges.list_as_today(row.shown, known)) for row in read]
