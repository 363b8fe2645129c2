"""Protocol A2: where the pipeline would rank each clicked article among everything live at that time."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from recsys.columns import NONE, EventLog, Floats, ImpressionColumns, Ints, between
from recsys.domain import RecsysError
from recsys.evaluation import metrics
from recsys.evaluation.bootstrap import bootstrap_mean
from recsys.evaluation.evaluate import Judged, Progress, Window
from recsys.features.features import RequestContext
from recsys.features.history import view_of
from recsys.features.replay import Replay
from recsys.pipeline import filters, sources
from recsys.pipeline.model import Model
from recsys.pipeline.recommend import rank
from recsys.pipeline.situation import Reader, Request, World

NOWHERE = np.inf  # the rank of an article that is not found


@dataclass
class _Ranks:
    """Ranks of the clicked articles, one entry per click; lists are numbered from 0."""

    pipeline: list[float] = field(default_factory=list)
    found: list[float] = field(default_factory=list)  # by the sources alone
    per_list: list[int] = field(default_factory=list)
    pool: list[int] = field(default_factory=list)
    users: list[int] = field(default_factory=list)


def evaluate_live(model: Model, window: Window, *, seed: int = 0, progress: Progress | None = None) -> Judged:
    """Rank all live articles for each impression of the window that has a click, diversity off.

    The pool is what was shown in the last ``live_hours``, strictly before, less what this user has clicked. A clicked
    article outside of the pool counts as not found.
    """
    replay = Replay(window.attributes, window.users, live_hours=window.live_hours)
    world = World(replay.state, window.catalogue, window.attributes, window.live_hours)
    reader = Reader(world, replay.scratch)
    ranks, clicked = _Ranks(), _clicked(window.log)
    times = window.log.impressions.known_at
    wanted = np.flatnonzero((times >= window.since) & (times < window.until))
    folded = -np.inf
    for number, i in enumerate(wanted):
        if times[i] > folded:
            replay.run(between(window.log, folded, times[i]), score_from=np.inf)
            folded = times[i]
        targets = clicked.get(int(window.log.impressions.position[i]))
        if targets:
            _rank_targets(model, reader, _request(window.log.impressions, replay, int(i)), targets, ranks)
        if progress and number % 100 == 0:
            progress(number, len(wanted))
    if not ranks.users:
        raise RecsysError("There is no impression with a click in this window: choose another --since and --until.")
    return _judged(model, ranks, seed)


def _judged(model: Model, ranks: _Ranks, seed: int) -> Judged:
    offsets = np.concatenate([[0], np.cumsum(ranks.per_list)]).astype(np.int64)
    pipeline, found, users = np.array(ranks.pipeline), np.array(ranks.found), np.array(ranks.users, np.int64)
    figures: dict[str, Floats] = {f"r@{k}": metrics.recall_at(pipeline, k, offsets) for k in (10, 50, 100)}
    figures |= {f"sources_r@{k}": metrics.recall_at(found, k, offsets) for k in (100, 500)}
    figures["ndcg@10"] = metrics.ndcg_at(pipeline, 10, offsets)
    summary: dict[str, Any] = {"version": model.version, "impressions": len(users), "clicks": len(pipeline)}
    summary |= {name: metrics.mean(values) for name, values in figures.items()}
    summary["pool_median"] = float(np.median(ranks.pool))
    summary["confidence"] = {name: bootstrap_mean(values, users, seed=seed) for name, values in figures.items()}
    return Judged(figures, users, summary)


def _rank_targets(model: Model, reader: Reader, request: Request, targets: list[int], ranks: _Ranks) -> None:
    pool = filters.allowed(reader.world, request)
    candidates = sources.gather(model.views, reader.world, request, pool)
    ordered = candidates.keys[rank(model, reader, request, candidates.keys).order]
    ranks.pipeline += [_place(ordered, target) for target in targets]
    ranks.found += [_place(candidates.keys, target) for target in targets]
    ranks.per_list.append(len(targets))
    ranks.pool.append(len(pool))
    ranks.users.append(request.user)


def _place(keys: Ints, target: int) -> float:
    found = np.flatnonzero(keys == target)
    return float(found[0] + 1) if len(found) else NOWHERE


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
