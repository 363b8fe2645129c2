"""Candidate sources: each ranks the allowed articles in its own way; their heads together are the candidates."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recsys.columns import Floats, Ints
from recsys.features.state import CLICKS, EXPOSURES, HALF_LIVES
from recsys.pipeline.model import Views
from recsys.pipeline.situation import Request, World

CANDIDATES = 500
NAMES = ("trending", "popular", "fresh", "personal", "content", "similar")


@dataclass(frozen=True)
class Candidates:
    """Article keys, and the name of the source that ranked each highest."""

    keys: Ints  # (n,)
    source: list[str]

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(frozen=True)
class Query:
    """What a source may look at."""

    views: Views
    world: World
    request: Request
    keys: Ints  # (n,) the articles it may choose from


Source = Callable[[Query, int], Ints]


def trending(query: Query, k: int) -> Ints:
    """Most clicked lately (half-life 30 minutes); in a log that ended long ago, most clicked ever."""
    lately = _decayed(query, CLICKS)
    ever = query.world.state.totals[query.keys, CLICKS].astype(np.float64)
    return _best(query.keys, lately if lately.any() else ever, k)


def popular(query: Query, k: int) -> Ints:
    """Most shown lately (half-life 30 minutes), which is what editors and other rankers believe in."""
    lately = _decayed(query, EXPOSURES)
    return _best(query.keys[lately > 0], lately[lately > 0], k)


def fresh(query: Query, k: int) -> Ints:
    """Newest by publication, or by the first time shown where that is not known."""
    published = query.world.catalogue.published_at[query.keys]
    first = query.world.state.first_shown[query.keys]
    since = np.where(np.isnan(published), first, published)
    known = np.isfinite(since)
    return _best(query.keys[known], since[known], k)


def personal(query: Query, k: int) -> Ints:
    """Nearest to the user embedding among the learned item embeddings."""
    history = query.request.history
    items, known = query.views.learned.vectors(history)
    if not items.any():
        return query.keys[:0]
    user = query.views.towers.user_vectors(items[None], query.request.ages[None], known[None])
    return _found(query.views.learned.search(user, k, allowed=query.keys)[1][0])


def content(query: Query, k: int) -> Ints:
    """Nearest to the mean content of what the user read."""
    items, known = query.views.content.vectors(query.request.history)
    if not items.any():
        return query.keys[:0]
    profile = query.views.towers.content_profiles(items[None], query.request.ages[None], known[None])
    return _found(query.views.content.search(profile, k, allowed=query.keys)[1][0])


def similar(query: Query, k: int) -> Ints:
    """Nearest in content to the last article the user read."""
    items, _ = query.views.content.vectors(query.request.history[-1:])
    if not items.any():
        return query.keys[:0]
    return _found(query.views.content.search(items, k, allowed=query.keys)[1][0])


SOURCES: dict[str, Source] = dict(zip(NAMES, (trending, popular, fresh, personal, content, similar), strict=True))
SHARE = {"trending": 200, "popular": 250, "fresh": 100, "personal": 60, "content": 50, "similar": 40}


def gather(views: Views, world: World, request: Request, keys: Ints, limit: int = CANDIDATES) -> Candidates:
    """At most ``limit`` of the allowed ``keys``: by turns the next best of each source, in proportion to its share."""
    query = Query(views, world, request, keys)
    ranked = {name: SOURCES[name](query, SHARE[name]) for name in NAMES}
    names = [name for name, found in ranked.items() for _ in range(len(found))]
    everything = np.concatenate([ranked[name] for name in NAMES])
    turn = np.concatenate([(np.arange(len(ranked[name])) + 0.5) / SHARE[name] for name in NAMES])
    order = np.argsort(turn, kind="stable")
    chosen = np.sort(np.unique(everything[order], return_index=True)[1])[:limit]
    return Candidates(everything[order][chosen], [names[order[i]] for i in chosen])


def _decayed(query: Query, kind: int, half_life: int = 0) -> Floats:
    state, keys = query.world.state, query.keys
    elapsed = np.maximum(0.0, query.request.at - state.stamp[keys, 0])
    counts: Floats = state.counts[keys, 0, kind, half_life] * np.exp2(-elapsed / HALF_LIVES[half_life])
    return counts


def _best(keys: Ints, scores: Floats, k: int) -> Ints:
    """The k keys of highest score, best first; of equal scores the smaller key."""
    k = min(k, len(keys))
    if k == 0:
        return keys[:0]
    last = np.partition(scores, len(scores) - k)[len(scores) - k]
    better, level = scores > last, np.sort(keys[scores == last])
    first = keys[better][np.lexsort((keys[better], -scores[better]))]
    return np.concatenate([first, level[: k - len(first)]])


def _found(keys: Ints) -> Ints:
    return keys[keys >= 0]
