"""The live side of the fold as serving runs it: users read from SQL at request time, events folded as they come."""

from collections.abc import Iterable

import numpy as np
from fold_worlds import World
from sqlalchemy.orm import Session

from recsys.columns import EventLog, Floats32, ImpressionColumns
from recsys.database import articles, events, users
from recsys.domain import Article, Click, Context, Impression
from recsys.features.features import WIDTH, Attributes, RequestContext, Scratch, compute_features
from recsys.features.replay import fold_live
from recsys.features.state import ArticleState
from recsys.pipeline.load import load_view

PAGES = (None, "front", "article")
DEVICES = (None, "desktop", "mobile", "tablet", "watch")
SUBSCRIBERS = {-1: None, 0: False, 1: True}


def write(session: Session, world: World, seed: int) -> None:
    """Write a world, in an order that is not the order of time, under keys that are those of the world."""
    draw = np.random.default_rng(seed)
    articles.put_articles(session, [Article(str(key)) for key in range(1, world.articles + 1)])
    for key in range(1, world.users + 1):
        users.ensure_keys(session, [str(key)])
    shown, clicked = _impressions(world), _clicks(world)
    events.add_clicks(session, [clicked[i] for i in draw.permutation(len(clicked))])
    events.add_impressions(session, [shown[i] for i in draw.permutation(len(shown))])


def _impressions(world: World) -> list[Impression]:
    lists = []
    for s in world.shown:
        reading = str(s.context) if s.context >= 0 else None
        context = Context(PAGES[s.page], reading, DEVICES[s.device], SUBSCRIBERS[s.subscriber])
        lists.append(Impression(f"list {s.position}", str(s.user), s.at, tuple(map(str, s.items)), context, s.known_at))
    return lists


def _clicks(world: World) -> list[Click]:
    return [
        Click(
            event_id=f"click {c.position}",
            user_id=str(c.user),
            article_id=str(c.article),
            at=c.at,
            impression_id=f"list {c.shown}" if c.shown >= 0 else None,
            known_at=c.known_at,
            weight=c.weight,
            backfilled=c.backfilled,
        )
        for c in world.clicked
    ]


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
    view = load_view(session, user, t)
    compute_features(state, attributes, view, user, request, t, candidates, scratch, out)
    return out


def follow(session: Session, state: ArticleState, attributes: Attributes, stretches: Iterable[EventLog]) -> None:
    """Fold stretches as they become known, reading those who clicked from the database."""
    for log in stretches:
        times = np.concatenate([log.impressions.known_at, log.clicks.known_at])
        if len(times):
            readers = np.unique(log.clicks.user).tolist()
            fold_live(state, attributes, log, {user: load_view(session, user, float(times.min())) for user in readers})
