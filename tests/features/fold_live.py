"""The live side of the fold as serving does it: a user read from SQL at request time, and events folded as they come."""

from collections.abc import Sequence

import numpy as np
from fold_worlds import World
from sqlalchemy.orm import Session

from recsys.columns import EventLog, Floats32, ImpressionColumns
from recsys.database import articles, events, users
from recsys.database.tables import ClickRow, ImpressionRow
from recsys.domain import Article, Click, Context, Impression
from recsys.features.features import WIDTH, Attributes, RequestContext, Scratch, compute_features, scratch_for
from recsys.features.history import CLICK_LIMIT, SHOWN_LIMIT, UserView, taste_of
from recsys.features.state import ArticleState, cell_of, empty_state, fold_click, fold_impression

PAGES = (None, "front", "article")
DEVICES = (None, "desktop", "mobile", "tablet", "watch")
SUBSCRIBERS = {-1: None, 0: False, 1: True}


def write(session: Session, world: World, seed: int) -> None:
    """Write a world in an order that is not the order of time, under keys that are those of the world."""
    draw, name = np.random.default_rng(seed), str
    articles.put_articles(session, [Article(name(key)) for key in range(1, world.articles + 1)])
    users.ensure_keys(session, [name(key) for key in range(1, world.users + 1)])
    shown = [
        Impression(
            f"list {s.position}", name(s.user), s.at, tuple(map(name, s.items)),
            Context(
                PAGES[s.page], name(s.context) if s.context >= 0 else None, DEVICES[s.device], SUBSCRIBERS[s.subscriber]
            ),
            s.known_at,
        )
        for s in world.shown
    ]  # fmt: skip
    clicked = [
        Click(
            f"click {c.position}", name(c.user), name(c.article), c.at, f"list {c.shown}" if c.shown >= 0 else None,
            c.known_at, None, c.weight, c.backfilled,
        )
        for c in world.clicked
    ]  # fmt: skip
    events.add_clicks(session, [clicked[i] for i in draw.permutation(len(clicked))])
    events.add_impressions(session, [shown[i] for i in draw.permutation(len(shown))])


def view_of_rows(clicked: Sequence[ClickRow], lists: Sequence[ImpressionRow]) -> UserView:
    """A user's rows, oldest first, as what the fold knows of them."""
    rows = [(item, row.known_at) for row in lists for item in row.shown][-SHOWN_LIMIT:]
    return UserView(
        clicked=np.array([row.article for row in clicked], np.int64),
        clicked_at=np.array([row.at for row in clicked], np.float64),
        clicked_weight=np.array([row.weight for row in clicked], np.float64),
        shown=np.array([item for item, _ in rows], np.int64),
        shown_at=np.array([at for _, at in rows], np.float64),
    )


def live_view(session: Session, user: int, t: float) -> UserView:
    """What the database knows of a user strictly before ``t``."""
    clicked = users.newest_clicks(session, user, t, CLICK_LIMIT)
    return view_of_rows(clicked, users.newest_impressions(session, user, t, SHOWN_LIMIT))


def live_features(
    session: Session, state: ArticleState, attributes: Attributes, scratch: Scratch, i: ImpressionColumns, place: int
) -> Floats32:
    """Features of one list as serving computes them, from an article side as of the list's instant."""
    t, user = float(i.known_at[place]), int(i.user[place])
    candidates = i.items[i.offsets[place] : i.offsets[place + 1]]
    request = RequestContext(
        int(i.page[place]), int(i.device[place]), int(i.subscriber[place]), int(i.context_article[place])
    )
    out = np.zeros((len(candidates), WIDTH), np.float32)
    view = live_view(session, user, t)
    compute_features(state, attributes, view, user, request, t, candidates, scratch, out)
    return out


def live_state(session: Session, log: EventLog, attributes: Attributes) -> ArticleState:
    """Fold a log event by event in the order of time, reading every reader of an article from the database."""
    i, c = log.impressions, log.clicks
    state = empty_state(len(attributes.section))
    order = sorted(
        [(t, False, row) for row, t in enumerate(i.known_at.tolist())]
        + [(t, True, row) for row, t in enumerate(c.known_at.tolist())]
    )
    for t, is_click, row in order:
        if not is_click:
            items = i.items[i.offsets[row] : i.offsets[row + 1]]
            fold_impression(state, t, cell_of(int(i.page[row]), int(i.device[row])), items)
        elif c.weight[row] > 0:
            user, cell = int(c.user[row]), cell_of(int(c.page[row]), int(c.device[row]))
            taste = taste_of(live_view(session, user, t), attributes.signatures)
            fold_click(state, t, cell, int(c.article[row]), user, not c.backfilled[row], taste)
    return state


def scratch_of(attributes: Attributes, users: int) -> Scratch:
    """A reader's memory for these articles and user keys up to ``users``."""
    return scratch_for(len(attributes.section), users + 1)
