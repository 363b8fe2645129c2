"""Reads what is known of many users at once: the views that ``load_view`` gives for each of them."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from sqlalchemy.orm import Session

from recsys.database import merges, newest
from recsys.database.users import newest_clicks
from recsys.domain import Timestamp
from recsys.features.history import CLICK_LIMIT, SHOWN_LIMIT, UserView, empty_view

IMPRESSIONS_AT_FIRST = 48  # lists read for a view; more only where they hold fewer than SHOWN_LIMIT rows

Clicked = tuple[int, Timestamp, float]  # article key, time and weight
Shown = tuple[Timestamp, list[int]]  # when a list was known, and its article keys


def load_views(session: Session, users: Sequence[int], before: Timestamp) -> dict[int, UserView]:
    """What was known of each user strictly before a time, in as many queries as for one of them."""
    known = merges.aliases(session)
    clicks: dict[int, list[Clicked]] = defaultdict(list)
    for user, article, at, weight in newest.newest_clicks_of(session, users, before, CLICK_LIMIT):
        clicks[user].append((known.get(article, article), at, weight))
    shown = _lists(session, users, before, IMPRESSIONS_AT_FIRST, known)
    short = [user for user in users if short_of_rows(shown[user])]
    shown |= _lists(session, short, before, SHOWN_LIMIT, known) if short else {}
    return {user: user_view(clicks[user], shown[user]) for user in users}


def load_readers(session: Session, keys: Sequence[int], before: Timestamp) -> dict[int, UserView]:
    """What each user had clicked strictly before a time; nothing of what they were shown, which a fold does not ask."""
    known = merges.aliases(session)
    read = {user: newest_clicks(session, user, before, CLICK_LIMIT) for user in keys}
    return {user: user_view(clicks_as_today(clicks, known), []) for user, clicks in read.items()}


def short_of_rows(shown: Sequence[Shown]) -> bool:
    """Whether the lists read at first are too short, so that more have to be read."""
    return len(shown) == IMPRESSIONS_AT_FIRST and sum(len(items) for _, items in shown) < SHOWN_LIMIT


def user_view(clicks: Sequence[Clicked], shown: Sequence[Shown]) -> UserView:
    """Clicks and lists, both oldest first, as the arrays that the fold computes with."""
    if not clicks and not shown:
        return empty_view()
    rows = [(article, at) for at, items in shown for article in items][-SHOWN_LIMIT:]
    clicked, clicked_at, weight = zip(*clicks, strict=True) if clicks else ((), (), ())
    return UserView(
        np.array(clicked, np.int64),
        np.array(clicked_at, np.float64),
        np.array(weight, np.float64),
        np.array([article for article, _ in rows], np.int64),
        np.array([at for _, at in rows], np.float64),
    )


def clicks_as_today(clicks: Sequence[Clicked], known: merges.Aliases) -> Sequence[Clicked]:
    """Clicks on what turned out to be part of another article, as clicks on that one."""
    if not known:
        return clicks
    return [(known.get(article, article), at, weight) for article, at, weight in clicks]


def _lists(
    session: Session, users: Sequence[int], before: Timestamp, limit: int, known: merges.Aliases
) -> dict[int, list[Shown]]:
    shown: dict[int, list[Shown]] = defaultdict(list)
    for user, at, items in newest.newest_impressions_of(session, users, before, limit):
        shown[user].append((at, merges.list_as_today(items, known)))
    return shown
