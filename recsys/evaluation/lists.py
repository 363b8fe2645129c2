"""The lists that would be served, with diversity and without: how unlike, how novel, how much of what is live."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsys.columns import Floats, Floats32, Ints
from recsys.evaluation import metrics
from recsys.evaluation.bootstrap import paired_bootstrap
from recsys.features.state import CLICKS, ArticleState
from recsys.pipeline.model import Model
from recsys.pipeline.recommend import ListOptions, compose
from recsys.pipeline.scorer import Scored
from recsys.pipeline.situation import Request, World

NOWHERE = np.inf  # the rank of an article that is not found


@dataclass(frozen=True)
class Case:
    """One list of the log, put to the pipeline as a request."""

    request: Request
    targets: list[int]  # keys of the clicked articles
    pool: Ints  # (p,) keys of all that might have been shown
    keys: Ints  # (n,) the candidates of the sources
    scored: Scored


@dataclass(frozen=True)
class Served:
    """The first few articles of one answer."""

    keys: Ints  # (n,) first place first
    ranks: list[float]  # of the clicked articles
    novelty: float
    diversity: float


def served(model: Model, world: World, case: Case, options: ListOptions) -> tuple[Served, Served]:
    """The best candidates as they stand, and what the selector's rules make of them."""
    best = case.scored.order[: options.limit]
    selected = compose(model, world, case.request, case.keys, case.scored, options)
    return _served(model, world, case, best), _served(model, world, case, selected)


def compared(off: Sequence[Served], on: Sequence[Served], users: Ints, live: int, seed: int = 0) -> dict[str, Any]:
    """Means over requests without and with the selector's rules, and what these cost in nDCG@10 of the clicked.

    ``live`` is how many articles might have been shown in any of the requests; coverage is the share of them that was.
    """
    before, after = _ndcg(off), _ndcg(on)
    lost, low, high = paired_bootstrap(before, after, users, seed=seed)
    return {
        "off": _figures(off, before, live),
        "on": _figures(on, after, live),
        "cost": {"ndcg@10": lost, "confidence": {"ndcg@10": (low, high)}},
    }


def ranks_of(keys: Ints, targets: Sequence[int]) -> list[float]:
    """Places of the targets among keys (n,), from 1; NOWHERE for those that are not there."""
    found = [np.flatnonzero(keys == target) for target in targets]
    return [float(place[0] + 1) if len(place) else NOWHERE for place in found]


def auc_of(ranks: Sequence[float], others: int) -> float:
    """Share of the ``others`` (articles that might have been shown) that stand behind a target, mean of the targets.

    ``ranks`` are those of the targets, from 1; behind one that was not found stands nothing. NaN without any others.
    """
    if others == 0:
        return float("nan")
    found = sorted(rank for rank in ranks if rank < NOWHERE)
    return sum(1 - (rank - 1 - earlier) / others for earlier, rank in enumerate(found)) / len(ranks)


def self_information(state: ArticleState, keys: Ints, pool: Ints) -> float:
    """Mean of -log2 p over articles (n,), in bits; NaN for no article.

    p is an article's share of the clicks that the articles of the pool (p,) have had so far, one added to each.
    Source: Vargas and Castells, Rank and Relevance in Novelty and Diversity Metrics, RecSys 2011 (by popularity,
    without a discount by rank).
    """
    share = (state.totals[keys, CLICKS] + 1) / (state.totals[pool, CLICKS].sum() + len(pool))
    return float(-np.log2(share).mean()) if len(keys) else float("nan")


def intra_list_diversity(vectors: Floats32) -> float:
    """Mean of 1 - cosine over the pairs of vectors (n, dim), those of length zero left out; NaN for fewer than two.

    Source: Smyth and McClave, Similarity vs. Diversity, ICCBR 2001.
    """
    lengths = np.linalg.norm(vectors, axis=1)
    unit = vectors[lengths > 0] / lengths[lengths > 0, None]
    count = len(unit)
    if count < 2:
        return float("nan")
    together = float(np.square(unit.sum(axis=0, dtype=np.float64)).sum())  # all cosines, each vector's with itself too
    return 1.0 - (together - count) / (count * (count - 1))


def _served(model: Model, world: World, case: Case, places: Ints) -> Served:
    keys = case.keys[places]
    diversity = intra_list_diversity(model.views.content.vectors(keys)[0])
    return Served(keys, ranks_of(keys, case.targets), self_information(world.state, keys, case.pool), diversity)


def _ndcg(lists: Sequence[Served]) -> Floats:
    offsets = np.cumsum([0, *(len(one.ranks) for one in lists)])
    return metrics.ndcg_at(np.concatenate([one.ranks for one in lists]), 10, offsets)


def _figures(lists: Sequence[Served], ndcg: Floats, live: int) -> dict[str, float]:
    return {
        "ndcg@10": metrics.mean(ndcg),
        "coverage": len(np.unique(np.concatenate([one.keys for one in lists]))) / live if live else float("nan"),
        "novelty": metrics.mean([one.novelty for one in lists]),
        "intra_list_diversity": metrics.mean([one.diversity for one in lists]),
    }
