"""The rows of protocol A2: every list of the test asked as a request to all articles that were live at its time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from ebnerd import HOUR, Week, window_of_history
from ebnerd_peers import HALF_LIVES, Fitted, TwoStages
from movielens import Scores

from recsys.columns import NONE, Floats, Ints
from recsys.domain import Timestamp
from recsys.evaluation import metrics
from recsys.evaluation.bootstrap import bootstrap_mean
from recsys.evaluation.live import requests
from recsys.features.examples import HISTORY
from recsys.features.state import CLICKS, lately
from recsys.lifecycle.judging import evaluate
from recsys.pipeline import filters, scorer, sources
from recsys.pipeline.situation import Reader, Request

TABLE = "protocol A2: all live articles"
FIGURES = ("r@10", "r@50", "r@100", "ndcg@10")
FROM_SOURCES = ("sources_r@100", "sources_r@500")
NOWHERE = np.inf
TUNED_ON = 12 * HOUR  # before the split: enough to tell five half-lives apart

Row = dict[str, Any]
Ranker = Callable[[Reader, Request, Ints], tuple[Ints, Floats]]  # of the pool (n,): what it ranks (k,), and scores


def rows(
    week: Week,
    fitted: Sequence[Fitted],
    trees: TwoStages | None,
    versions: Mapping[str, str],
    seconds: Mapping[str, float | None],
) -> Iterator[Row]:
    """Peers over the same pools, then this project's own models through the whole pipeline."""
    if trees:
        rankers = _recent(week) | {one.name: by_history(one.scores) for one in fitted}
        name = f"LightGBM lambdarank on our candidates and inputs, {trees.pointwise.plan.title}"
        rankers[name] = by_trees(trees)
        cost = {**seconds, name: trees.pointwise.seconds}
        for row in ranked(week, rankers, week.split, np.inf):
            yield {**row, "seconds_to_train": rounded(cost.get(row["name"]))}
    for name, version in versions.items():
        judged = evaluate(week.sessions, week.settings, version=version, since=week.split, live=True)
        found = {figure: judged.summary[figure] for figure in (*FIGURES, *FROM_SOURCES, "pool_median")}
        confidence = {figure: judged.summary["confidence"][figure] for figure in ("r@10", "ndcg@10")}
        yield {
            "table": TABLE,
            "name": name,
            **found,
            "confidence": confidence,
            "seconds_to_train": rounded(seconds[name]),
        }


def ranked(week: Week, rankers: Mapping[str, Ranker], since: Timestamp, until: Timestamp) -> Iterator[Row]:
    """A row for each ranker: where it puts what was clicked, of equal scores in the middle."""
    ranks: dict[str, list[Floats]] = {name: [] for name in rankers}
    pools, users = list[int](), list[int]()
    for reader, request, targets in requests(week.window(since, until), None):
        pool = filters.allowed(reader.world, request)
        pools.append(len(pool))
        users.append(request.user)
        for name, ranker in rankers.items():
            ranks[name].append(places(*ranker(reader, request, pool), targets))
    for name, found in ranks.items():
        offsets, every = np.cumsum([0, *(len(some) for some in found)]), np.concatenate(found)
        figures = {f"r@{k}": metrics.recall_at(every, k, offsets) for k in (10, 50, 100)}
        figures["ndcg@10"] = metrics.ndcg_at(every, 10, offsets)
        yield {
            "table": TABLE,
            "name": name,
            **metrics.means(figures),
            "pool_median": float(np.median(pools)),
            "confidence": {name: bootstrap_mean(figures[name], users) for name in ("r@10", "ndcg@10")},
        }


def places(keys: Ints, scores: Floats, targets: Sequence[int]) -> Floats:
    """Ranks (targets,) by scores (keys,), mid-rank on ties; infinite for what is not among the keys."""
    own = np.array([scores[keys == target].max(initial=-np.inf) for target in targets])
    higher = (scores[None] > own[:, None]).sum(axis=1)
    equal = (scores[None] == own[:, None]).sum(axis=1)
    return np.where(equal > 0, higher + (equal + 1) / 2, NOWHERE)


def rounded(seconds: float | None) -> float | None:
    """To tenths; nothing for what is not trained."""
    return None if seconds is None else round(seconds, 1)


def by_clicks(half_life: int) -> Ranker:
    """Decayed clicks at one of the fold's half-lives."""

    def scores(reader: Reader, request: Request, pool: Ints) -> tuple[Ints, Floats]:
        return pool, lately(reader.world.state, pool, CLICKS, half_life, request.at)

    return scores


def by_history(scores: Scores) -> Ranker:
    """What fits on clicks and scores histories."""

    def ranker(_reader: Reader, request: Request, pool: Ints) -> tuple[Ints, Floats]:
        history, ages = np.full((1, HISTORY), NONE), np.zeros((1, HISTORY))
        if len(request.history):
            history[0, -len(request.history) :] = request.history
            ages[0, -len(request.history) :] = request.ages
        return pool, scores(window_of_history(history, ages))[0, pool].astype(np.float64)

    return ranker


def by_trees(trees: TwoStages) -> Ranker:
    """LightGBM on the candidates that the product's sources find, as the product's head."""
    modalities = trees.views.towers.content_space.present

    def ranker(reader: Reader, request: Request, pool: Ints) -> tuple[Ints, Floats]:
        keys = sources.gather(trees.views, reader.world, request, pool).keys
        rows = scorer.inputs(trees.views, modalities, reader, request, keys)
        return keys, trees.pointwise(rows, np.array([0, len(keys)]))

    return ranker


def _recent(week: Week) -> dict[str, Ranker]:
    """Recent popularity with the half-life that is best at the end of the training window."""
    named = {f"recent popularity, half-life {name}": by_clicks(h) for h, name in enumerate(HALF_LIVES)}
    tried = list(ranked(week, named, week.split - TUNED_ON, week.split))
    best = max(tried, key=lambda row: row["ndcg@10"])["name"]
    return {best: named[best]}
