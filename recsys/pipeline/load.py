"""Reads from the database what the pipeline computes with: catalogue, content, user views and the log."""

from dataclasses import dataclass

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from recsys.columns import Catalogue, EventLog, Floats32, Ints
from recsys.database import articles, events, users, vectors
from recsys.database.tables import UserRow
from recsys.domain import Modality, Timestamp
from recsys.features.features import Attributes, attributes_of, title_signatures
from recsys.features.history import CLICK_LIMIT, SHOWN_LIMIT, UserView, empty_view
from recsys.features.replay import Replay
from recsys.features.state import TASTE
from recsys.pipeline.content import Content
from recsys.pipeline.situation import World

IMPRESSIONS_AT_FIRST = 48  # lists read for a view; more only where they hold fewer than SHOWN_LIMIT rows
TITLE = "title"


@dataclass(frozen=True)
class Dataset:
    """One consistent reading of the database."""

    catalogue: Catalogue
    attributes: Attributes
    content: Content
    log: EventLog
    users: int  # more than the largest user key


def load_dataset(session: Session, encoders: dict[Modality, str], *, until: Timestamp = np.inf) -> Dataset:
    """Everything known before ``until``, with the vectors that these encoders (ids by modality) have made."""
    log = events.read_log(session, until=until)
    catalogue = articles.load_catalogue(session)  # after the log, so that it knows every article the log names
    content = load_content(session, encoders, np.arange(len(catalogue)))
    attributes = attributes_of(catalogue, signatures(content, len(catalogue)))
    return Dataset(catalogue, attributes, content, log, user_room(session))


def load_world(
    session: Session, encoders: dict[Modality, str], live_hours: float, *, until: Timestamp = np.inf
) -> World:
    """The state of all articles as known strictly before ``until``."""
    data = load_dataset(session, {name: encoders[name] for name in encoders if name == TITLE}, until=until)
    replay = Replay(data.attributes, data.users, live_hours=live_hours)
    replay.run(data.log, score_from=np.inf)
    return World(replay.state, data.catalogue, data.attributes, live_hours)


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
    clicks = users.newest_clicks(session, user, before, CLICK_LIMIT)
    shown = users.newest_impressions(session, user, before, IMPRESSIONS_AT_FIRST)
    if len(shown) == IMPRESSIONS_AT_FIRST and sum(len(row.shown) for row in shown) < SHOWN_LIMIT:
        shown = users.newest_impressions(session, user, before, SHOWN_LIMIT)
    if not clicks and not shown:
        return empty_view()
    rows = [(article, row.known_at) for row in shown for article in row.shown][-SHOWN_LIMIT:]
    return UserView(
        np.array([click.article for click in clicks], np.int64),
        np.array([click.at for click in clicks], np.float64),
        np.array([click.weight for click in clicks], np.float64),
        np.array([article for article, _ in rows], np.int64),
        np.array([at for _, at in rows], np.float64),
    )
