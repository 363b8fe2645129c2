"""How well the indexes are searched: beside an exact search of the same vectors, and beside what was clicked."""

from dataclasses import dataclass

import numpy as np

from recsys.columns import Floats, Floats32, Ints
from recsys.pipeline.model import Views
from recsys.pipeline.situation import Request
from recsys.pipeline.taste import Taste, tastes
from recsys.retrieval.index import VectorIndex

DEPTH = 100
ROUNDING = 1e-4  # of the highest score: so far two ways of adding up one inner product may differ


@dataclass(frozen=True)
class Searched:
    """Recall at DEPTH of one index for one request; NaN where the user's history says nothing to it."""

    of_exact: float  # share of the best articles by exact search that the index returns
    of_clicked: float  # share of the clicked articles


def searched(views: Views, request: Request, pool: Ints, targets: list[int]) -> dict[str, Searched]:
    """What each index finds for a request among the articles of a pool (n,), by the name of its view."""
    taste = tastes(views, [request])[0]
    return {name: _searched(index, query, pool, targets) for name, index, query in _queries(views, taste)}


def exact_recall(index: VectorIndex, query: Floats32, pool: Ints, found: Ints) -> float:
    """Share of the DEPTH highest inner products of a query (dim,) within a pool that ``found`` (keys) reaches.

    An article counts when its own score is as high as the last of the exact search, so that ties are no misses
    (the recall of ANN-Benchmarks, Aumüller and others 2020). NaN when nothing of the pool is indexed.
    """
    vectors, known = index.vectors(pool)
    scores = vectors[known] @ query
    wanted = min(DEPTH, len(scores))
    if wanted == 0:
        return float("nan")
    last = np.partition(scores, len(scores) - wanted)[len(scores) - wanted]
    reached = index.vectors(found)[0] @ query >= last - ROUNDING * np.abs(scores).max()
    return float(reached.sum() / wanted)


def means(searches: list[dict[str, Searched]]) -> dict[str, dict[str, float]]:
    """Mean recalls by view, over the lists whose reader the view knows something of."""
    return {name: _mean([found[name] for found in searches]) for name in searches[0]}


def _queries(views: Views, taste: Taste) -> list[tuple[str, VectorIndex, Floats32 | None]]:
    return [
        ("learned", views.learned, taste.user if taste.is_learned else None),
        ("content", views.content, taste.profile if taste.has_content else None),
    ]


def _searched(index: VectorIndex, query: Floats32 | None, pool: Ints, targets: list[int]) -> Searched:
    if query is None:
        return Searched(float("nan"), float("nan"))
    keys = index.search(query[None], DEPTH, allowed=pool)[1][0]
    found = keys[keys >= 0]
    return Searched(exact_recall(index, query, pool, found), float(np.isin(targets, found).mean()))


def _mean(searches: list[Searched]) -> dict[str, float]:
    both: Floats = np.array([(one.of_exact, one.of_clicked) for one in searches], np.float64)
    asked = ~np.isnan(both[:, 0])
    exact, clicked = both[asked].mean(axis=0) if asked.any() else (float("nan"), float("nan"))
    return {"impressions": int(asked.sum()), "r@100_of_exact": float(exact), "r@100_of_clicked": float(clicked)}
