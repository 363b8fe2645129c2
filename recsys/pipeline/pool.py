"""Candidates for many requests of one instant: what the sources rank alike for everybody is ranked once."""

from collections.abc import Sequence

import numpy as np

from recsys.columns import Bools, Ints
from recsys.pipeline import filters
from recsys.pipeline.ground import SPARE, Ground
from recsys.pipeline.situation import Request
from recsys.pipeline.sources import (
    ALIKE,
    BY_TASTE,
    SHARE,
    SOURCES,
    Candidates,
    Query,
    by_turns,
    nearest,
    trending,
)
from recsys.pipeline.tally import tally
from recsys.pipeline.taste import Taste
from recsys.stages import stage


def gather_many(
    ground: Ground,
    requests: Sequence[Request],
    tastes: Sequence[Taste],
    tired: Sequence[Ints] = (),
    at_least: int = 0,
) -> list[Candidates]:
    """For each request the candidates that ``gather`` finds for it alone; all requests must be of one instant.

    What a user is ``tired`` of (keys, for each request) is left out where ``at_least`` so many others are there.
    """
    found: list[Candidates | None] = [None] * len(requests)
    for section in {request.section for request in requests}:
        rows = [row for row, request in enumerate(requests) if request.section == section]
        weary = [tired[row] if tired else requests[row].exclude[:0] for row in rows]
        here = ground.of_section(section)
        asked = [requests[row] for row in rows]
        kept = _kept(here, asked, weary, at_least)
        gathered = _gather(here, asked, [tastes[row] for row in rows], kept)
        for row, of_row, candidates in zip(rows, kept, gathered, strict=True):
            found[row] = candidates
            tally(ground, here, requests[row], of_row, candidates)
    return [candidates for candidates in found if candidates is not None]


def _kept(ground: Ground, requests: Sequence[Request], tired: Sequence[Ints], at_least: int) -> list[Bools]:
    """Which articles (n,) each request may have of the ground's."""
    with stage("filter"):
        return [
            filters.kept(request, ground.is_live, weary, at_least)
            for request, weary in zip(requests, tired, strict=True)
        ]


def _gather(
    ground: Ground, requests: Sequence[Request], tastes: Sequence[Taste], kept: Sequence[Bools]
) -> list[Candidates]:
    """Candidates for requests that all have the ground's articles to choose from, of what each may have."""
    with stage("retrieve"):
        barred = [len(ground.live) - int(np.count_nonzero(is_kept)) for is_kept in kept]
        mine = {name: _nearest(ground, name, tastes, kept, barred) for name in BY_TASTE}
        return [
            by_turns(
                {name: _alike(ground, name, request, kept[row], barred[row]) for name in ALIKE}
                | {name: mine[name][row] for name in BY_TASTE}
            )
            for row, request in enumerate(requests)
        ]


def _nearest(
    ground: Ground, name: str, tastes: Sequence[Taste], kept: Sequence[Bools], barred: Sequence[int]
) -> list[Ints]:
    """The nearest that each request may have: one search for all, but for those from whom many articles are barred."""
    few = [row for row, number in enumerate(barred) if number <= SPARE]
    k = min(SHARE[name] + max((barred[row] for row in few), default=0), len(ground.live))
    selection = ground.learned if name == "personal" else ground.content
    found = dict(zip(few, nearest(name, ground.views, [tastes[row] for row in few], k, selection), strict=True))
    for row in {*range(len(tastes))} - found.keys():
        left = _first(ground.live, kept[row], len(ground.live))
        found[row] = nearest(name, ground.views, [tastes[row]], SHARE[name], left)[0]
    return [_first(found[row], kept[row], SHARE[name]) for row in range(len(tastes))]


def _alike(ground: Ground, name: str, request: Request, kept: Bools, barred: int) -> Ints:
    """The best that this request may have of a ranking for everybody."""
    if barred > SPARE:
        return SOURCES[name](_query(ground, request, kept), SHARE[name])
    found = _first(ground.alike[name], kept, SHARE[name])
    if name == "trending" and ground.something_trends and not ground.trends[found[:1]].any():
        # what trends is barred for this user, who gets what ever did
        return trending(_query(ground, request, kept), SHARE[name])
    return found


def _query(ground: Ground, request: Request, kept: Bools) -> Query:
    return Query(ground.views, ground.world, request, _first(ground.live, kept, len(ground.live)))


def _first(ranking: Ints, kept: Bools, k: int) -> Ints:
    return ranking[kept[ranking]][:k]
