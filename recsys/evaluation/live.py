"""Protocol A2: where the pipeline would rank each clicked article among everything live at that time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsys.columns import NONE, Bools, EventLog, Floats, ImpressionColumns, between
from recsys.domain import RecsysError
from recsys.evaluation import lists, metrics, search
from recsys.evaluation.bootstrap import bootstrap_mean
from recsys.evaluation.evaluate import Judged, Window
from recsys.features.features import RequestContext
from recsys.features.history import view_of
from recsys.features.replay import Replay
from recsys.pipeline import filters, sources
from recsys.pipeline.model import Model
from recsys.pipeline.recommend import rank
from recsys.pipeline.situation import Reader, Request, World
from recsys.progress import Progress


@dataclass(frozen=True)
class _Asked:
    """What came of one list of the log; ranks are those of its clicked articles."""

    user: int
    pool: int  # how many articles there were to choose from
    pipeline: list[float]
    found: list[float]  # by the sources alone
    auc: float
    off: lists.Served  # the best as they stand
    on: lists.Served  # after the selector
    searched: dict[str, search.Searched]


def evaluate_live(model: Model, window: Window, *, seed: int = 0, progress: Progress | None = None) -> Judged:
    """Rank all live articles for each impression of the window that has a click, diversity off.

    The pool is what was shown in the last ``live_hours``, strictly before, less what this user has clicked, and less
    what was shown to them too often, where the window's options say how often that is. A clicked article outside of the
    pool counts as not found. Beside it stand the search of the indexes, and what the selector makes of the best
    candidates by the window's options.
    """
    live = np.zeros(len(window.catalogue), np.bool_)
    all_requests = requests(window, progress)
    asked = [_asked(model, window, reader, request, targets, live) for reader, request, targets in all_requests]
    if not asked:
        raise RecsysError("There is no impression with a click in this window: choose another --since and --until.")
    return _judged(model, asked, int(live.sum()), seed)


def requests(window: Window, progress: Progress | None) -> Iterator[tuple[Reader, Request, list[int]]]:
    """Each list of the window with a click as a request, and what was clicked, in the world as it was just before."""
    replay = Replay(window.attributes, window.users, live_hours=window.live_hours)
    reader = Reader(World(replay.state, window.catalogue, window.attributes, window.live_hours), replay.scratch)
    shown, clicked, folded = window.log.impressions, _clicked(window.log), -np.inf
    wanted = np.flatnonzero((shown.known_at >= window.since) & (shown.known_at < window.until))
    for number, i in enumerate(wanted):
        if shown.known_at[i] > folded:
            replay.run(between(window.log, folded, shown.known_at[i]), score_from=np.inf)
            folded = shown.known_at[i]
        targets = clicked.get(int(shown.position[i]))
        if targets:
            yield reader, _request(shown, replay, int(i)), targets
        if progress and number % 100 == 0:
            progress(number, len(wanted))
    if progress:
        progress(len(wanted), len(wanted))


def _asked(model: Model, window: Window, reader: Reader, request: Request, targets: list[int], live: Bools) -> _Asked:
    """Ask the pipeline; mark in ``live`` (articles,) what there was to choose from."""
    weary = filters.tired(request, window.options.tired_after)
    pool = filters.rested(filters.allowed(reader.world, request), weary, window.options.limit)
    live[pool] = True
    keys = sources.gather(model.views, reader.world, request, pool).keys
    case = lists.Case(request, targets, pool, keys, rank(model, reader, request, keys))
    off, on = lists.served(model, reader.world, case, window.options)
    ranks = lists.ranks_of(keys[case.scored.order], targets)
    return _Asked(
        user=request.user,
        pool=len(pool),
        pipeline=ranks,
        found=lists.ranks_of(keys, targets),
        auc=lists.auc_of(ranks, len(pool) - int(np.isin(targets, pool).sum())),
        off=off,
        on=on,
        searched=search.searched(model.views, request, pool, targets),
    )


def _judged(model: Model, asked: list[_Asked], live: int, seed: int) -> Judged:
    offsets, users = np.cumsum([0, *(len(one.pipeline) for one in asked)]), np.array([one.user for one in asked])
    pipeline, found = (np.concatenate(ranks) for ranks in ([a.pipeline for a in asked], [a.found for a in asked]))
    figures: dict[str, Floats] = {f"r@{k}": metrics.recall_at(pipeline, k, offsets) for k in (10, 50, 100)}
    figures |= {f"sources_r@{k}": metrics.recall_at(found, k, offsets) for k in (100, 500)}
    figures |= {f"ndcg@{k}": metrics.ndcg_at(pipeline, k, offsets) for k in (5, 10)}
    figures |= {"auc": np.array([one.auc for one in asked]), "mrr": metrics.reciprocal_rank(pipeline, offsets)}
    summary: dict[str, Any] = {"version": model.version, "impressions": len(users), "clicks": len(pipeline)}
    summary |= metrics.means(figures) | {"lists": metrics.with_value(figures)}
    summary["pool_median"] = float(np.median([one.pool for one in asked]))
    summary["retrieval"] = search.means([one.searched for one in asked])
    summary["diversity"] = lists.compared([one.off for one in asked], [one.on for one in asked], users, live, seed)
    summary["confidence"] = {name: bootstrap_mean(values, users, seed=seed) for name, values in figures.items()}
    return Judged(figures, users, summary)


def _request(impressions: ImpressionColumns, replay: Replay, i: int) -> Request:
    user = int(impressions.user[i])
    context = RequestContext(
        int(impressions.page[i]),
        int(impressions.device[i]),
        int(impressions.subscriber[i]),
        int(impressions.context_article[i]),
    )
    return Request(user, view_of(replay.rings, user), float(impressions.known_at[i]), context)


def _clicked(log: EventLog) -> dict[int, list[int]]:
    """Clicked article keys by position of the impression."""
    clicked: dict[int, list[int]] = {}
    for position, article, weight in zip(log.clicks.impression, log.clicks.article, log.clicks.weight, strict=True):
        if position != NONE and weight > 0 and article not in clicked.setdefault(int(position), []):
            clicked[int(position)].append(int(article))
    return clicked
