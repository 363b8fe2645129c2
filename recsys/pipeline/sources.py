"""Candidate sources: each ranks the allowed articles in its own way; their heads together are the candidates."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from recsys.columns import Floats, Floats32, Ints
from recsys.features.state import CLICKS, EXPOSURES, lately
from recsys.pipeline.model import Views
from recsys.pipeline.situation import Request, World
from recsys.pipeline.taste import Taste, tastes
from recsys.retrieval.index import Selection

CANDIDATES = 500
SHORTEST = 0  # of the half-lives: what is trending forgets half in 30 minutes
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

    @cached_property
    def taste(self) -> Taste:
        """Of the request's user."""
        return tastes(self.views, [self.request])[0]

    @cached_property
    def clicked_lately(self) -> Floats:
        """What is left of the clicks (n,) of the articles."""
        return lately(self.world.state, self.keys, CLICKS, SHORTEST, self.request.at)


Source = Callable[[Query, int], Ints]


def trending(query: Query, k: int) -> Ints:
    """Most clicked lately (half-life 30 minutes); in a log that ended long ago, most clicked ever."""
    clicked = query.clicked_lately
    ever = query.world.state.totals[query.keys, CLICKS].astype(np.float64)
    return _best(query.keys, clicked if clicked.any() else ever, k)


def popular(query: Query, k: int) -> Ints:
    """Most shown lately (half-life 30 minutes), which is what editors and other rankers believe in."""
    shown = lately(query.world.state, query.keys, EXPOSURES, SHORTEST, query.request.at)
    return _best(query.keys[shown > 0], shown[shown > 0], k)


def fresh(query: Query, k: int) -> Ints:
    """Newest by publication, or by the first time shown where that is not known."""
    published = query.world.catalogue.published_at[query.keys]
    first = query.world.state.first_shown[query.keys]
    since = np.where(np.isnan(published), first, published)
    known = np.isfinite(since)
    return _best(query.keys[known], since[known], k)


def personal(query: Query, k: int) -> Ints:
    """Nearest to the user embedding among the learned item embeddings."""
    return nearest("personal", query.views, [query.taste], k, query.keys)[0]


def content(query: Query, k: int) -> Ints:
    """Nearest to the mean content of what the user read."""
    return nearest("content", query.views, [query.taste], k, query.keys)[0]


def similar(query: Query, k: int) -> Ints:
    """Nearest in content to the last article the user read."""
    return nearest("similar", query.views, [query.taste], k, query.keys)[0]


SOURCES: dict[str, Source] = dict(zip(NAMES, (trending, popular, fresh, personal, content, similar), strict=True))
SHARE = {"trending": 200, "popular": 250, "fresh": 100, "personal": 60, "content": 50, "similar": 40}


ALIKE = ("trending", "popular", "fresh")  # these rank for every user alike
BY_TASTE = ("personal", "content", "similar")


def gather(views: Views, world: World, request: Request, keys: Ints, limit: int = CANDIDATES) -> Candidates:
    """At most ``limit`` of the allowed ``keys``: by turns the next best of each source, in proportion to its share."""
    query = Query(views, world, request, keys)
    return by_turns({name: SOURCES[name](query, SHARE[name]) for name in NAMES}, limit)


def by_turns(ranked: dict[str, Ints], limit: int = CANDIDATES) -> Candidates:
    """The first ``limit`` articles of all sources' rankings, taken by turns in proportion to the sources' shares."""
    order, names = _turns(tuple(len(ranked[name]) for name in NAMES))
    everything = np.concatenate([ranked[name] for name in NAMES])[order]
    chosen = np.sort(np.unique(everything, return_index=True)[1])[:limit]
    return Candidates(everything[chosen], names[chosen].tolist())


@lru_cache(maxsize=256)  # nearly all answers have rankings of the same lengths
def _turns(lengths: tuple[int, ...]) -> tuple[Ints, np.ndarray[tuple[int], np.dtype[np.object_]]]:
    """Whose turn it is: places in the rankings, one ranking after the other, and the sources' names."""
    turn = [(np.arange(length) + 0.5) / SHARE[name] for name, length in zip(NAMES, lengths, strict=True)]
    order = np.argsort(np.concatenate(turn), kind="stable")
    return order, np.repeat(np.array(NAMES, object), lengths)[order]


def nearest(name: str, views: Views, tastes: Sequence[Taste], k: int, keys: Ints | Selection) -> list[Ints]:
    """What a source of BY_TASTE finds for each taste among ``keys``, best first: one search for all of them."""
    index = views.learned if name == "personal" else views.content
    asked = [(row, query) for row, taste in enumerate(tastes) if (query := _asked(name, taste)) is not None]
    found = [np.zeros(0, np.int64)] * len(tastes)
    if asked:
        places = index.search(np.stack([query for _, query in asked]), k, allowed=keys)[1]
        for (row, _), place in zip(asked, places, strict=True):
            found[row] = place[place >= 0]
    return found


def _asked(name: str, taste: Taste) -> Floats32 | None:
    """The vector that a source searches with; None for a user whose history says nothing to it."""
    match name:
        case "personal":
            return taste.user if taste.is_learned else None
        case "content":
            return taste.profile if taste.has_content else None
        case _:
            return taste.last if taste.last.any() else None


def _best(keys: Ints, scores: Floats, k: int) -> Ints:
    """The k keys of highest score, best first; of equal scores the smaller key."""
    k = min(k, len(keys))
    if k == 0:
        return keys[:0]
    last = np.partition(scores, len(scores) - k)[len(scores) - k]
    better, level = scores > last, np.sort(keys[scores == last])
    first = keys[better][np.lexsort((keys[better], -scores[better]))]
    return np.concatenate([first, level[: k - len(first)]])
