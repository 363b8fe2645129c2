"""Candidates for many requests of one instant: what the sources rank alike for everybody is ranked once."""

from collections.abc import Sequence

import numpy as np

from recsys.columns import Bools, Ints
from recsys.features.state import CLICKS
from recsys.pipeline import filters
from recsys.pipeline.model import Views
from recsys.pipeline.situation import Request, World
from recsys.pipeline.sources import (
    ALIKE,
    BY_TASTE,
    SHARE,
    SOURCES,
    Candidates,
    Query,
    by_turns,
    decayed,
    nearest,
    trending,
)
from recsys.pipeline.taste import Taste


def gather_many(views: Views, world: World, requests: Sequence[Request], tastes: Sequence[Taste]) -> list[Candidates]:
    """For each request the candidates that ``gather`` finds for it alone; all requests must be of one instant."""
    live = world.live(requests[0].at)
    allowed = [filters.allowed(world, request, live) for request in requests]
    everybody = Query(views, world, requests[0], live)
    alike = {name: SOURCES[name](everybody, len(live)) for name in ALIKE}
    spare = len(live) - min(len(keys) for keys in allowed)  # so many of a ranking may be barred for one user
    mine = {name: nearest(name, views, tastes, min(SHARE[name] + spare, len(live)), live) for name in BY_TASTE}
    trends = _marked(world, live[decayed(everybody, CLICKS) > 0])
    found = []
    for row, (request, keys) in enumerate(zip(requests, allowed, strict=True)):
        is_allowed = _marked(world, keys)
        rankings = {name: alike[name] for name in ALIKE} | {name: mine[name][row] for name in BY_TASTE}
        ranked = {name: keys_[is_allowed[keys_]][: SHARE[name]] for name, keys_ in rankings.items()}
        if not trends[ranked["trending"][:1]].any():  # what trends is barred for this user, who gets what ever did
            ranked["trending"] = trending(Query(views, world, request, keys), SHARE["trending"])
        found.append(by_turns(ranked))
    return found


def _marked(world: World, keys: Ints) -> Bools:
    """Which of all articles are among the keys."""
    marked = np.zeros(len(world.catalogue), np.bool_)
    marked[keys] = True
    return marked
