"""Draws live articles as further negatives, the same ones however the log is cut into stretches."""

from typing import NamedTuple

import numpy as np
from numba import njit

from recsys.columns import NONE, Bools, Ints
from recsys.features.state import ArticleState

RECENT_ROWS = 8192  # newest shown rows from which negatives are drawn in proportion to exposure
DRAW = 1 << 20  # the attempt that decides whether a list gets samples at all; beyond all others


class Pool(NamedTuple):
    """Live articles to sample from: a set as an array, and a ring of the newest shown rows."""

    keys: Ints
    where: Ints  # (articles,) place in keys, or NONE
    size: Ints  # (1,)
    recent: Ints
    recent_total: Ints  # (1,)


def empty_pool(articles: int) -> Pool:
    """No live articles yet, and room for article keys below ``articles``."""
    nowhere, recent = np.full(articles, NONE, np.int64), np.zeros(RECENT_ROWS, np.int64)
    return Pool(np.zeros(articles, np.int64), nowhere, np.zeros(1, np.int64), recent, np.zeros(1, np.int64))


@njit(cache=True)
def drawn(seed: int, positions: Ints, every: int) -> Bools:
    """Which lists get samples: one in ``every``, whatever stretch of the log they come in."""
    drawn = np.empty(len(positions), np.bool_)
    for i in range(len(positions)):
        drawn[i] = _random(seed, positions[i], DRAW) % every == 0
    return drawn


@njit(cache=True)
def pool_items(pool: Pool, items: Ints) -> None:
    """Take shown articles into the pool."""
    for a in items:
        pool.recent[pool.recent_total[0] % len(pool.recent)] = a
        pool.recent_total[0] += 1
        if pool.where[a] == NONE:
            pool.where[a] = pool.size[0]
            pool.keys[pool.size[0]] = a
            pool.size[0] += 1


@njit(cache=True)
def sample(
    state: ArticleState,
    pool: Pool,
    clicked: Ints,
    t: float,
    live_seconds: float,
    seed: int,
    position: int,
    filled: int,
    keys: Ints,
) -> int:
    """Fill ``keys`` behind the shown ones with live articles, every other one in proportion to its newest exposures."""
    for attempt in range(4 * (len(keys) - filled)):
        if filled == len(keys) or pool.size[0] == 0:
            break
        draw = _random(seed, position, attempt)
        by_exposure = attempt % 2 == 0
        newest = min(pool.recent_total[0], len(pool.recent))
        a = pool.recent[draw % newest] if by_exposure else pool.keys[draw % pool.size[0]]
        if state.last_shown[a] < t - live_seconds:
            _drop(pool, a)
        elif not _contains(keys[:filled], a) and not _contains(clicked, a):
            keys[filled] = a
            filled += 1
    return filled


@njit(cache=True)
def _drop(pool: Pool, article: int) -> None:
    place = pool.where[article]
    if place != NONE:
        moved = pool.keys[pool.size[0] - 1]
        pool.keys[place] = moved
        pool.where[moved] = place
        pool.where[article] = NONE
        pool.size[0] -= 1


@njit(cache=True)
def _contains(keys: Ints, key: int) -> bool:
    for k in keys:  # noqa: SIM110 (numba compiles no generator)
        if k == key:
            return True
    return False


@njit(cache=True)
def _random(seed: int, position: int, attempt: int) -> np.int64:
    """A number that depends on its arguments alone (the finaliser of splitmix64, Steele and others 2014)."""
    x = (
        np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15)
        + np.uint64(position) * np.uint64(0xD1342543DE82EF95)
        + np.uint64(attempt)
    )
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.int64((x ^ (x >> np.uint64(31))) >> np.uint64(1))
