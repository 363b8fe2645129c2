"""Made clicks for tests of the benchmarks: columns, windows, and readers of two camps."""

import numpy as np

from recsys.columns import NONE, ClickColumns
from recsys.pipeline.histories import Windows

CAMP = 20  # articles of each camp: 1 to 20, and 21 to 40
NOBODYS = 41  # an article that nobody clicked
SIZE = 42


def columns(user, article, at, weight=None, backfilled=None) -> ClickColumns:
    n, nothing = len(user), np.zeros(len(user), np.int8)
    at = np.asarray(at, np.float64)
    return ClickColumns(
        position=np.arange(n), user=np.asarray(user), article=np.asarray(article), at=at, known_at=at,
        weight=np.ones(n) if weight is None else np.asarray(weight, np.float64),
        backfilled=nothing if backfilled is None else np.asarray(backfilled, np.int8),
        dwell=np.full(n, np.nan), impression=np.full(n, NONE), page=nothing, device=nothing,
    )  # fmt: skip


def window(*histories: list[int]) -> Windows:
    """Histories of any length, padded in front."""
    size = max(len(history) for history in histories)
    article = np.array([[NONE] * (size - len(history)) + history for history in histories])
    return Windows(np.zeros_like(article), article, np.zeros(article.shape), article != NONE)


def two_camps(readers: int = 60, clicks: int = 8) -> ClickColumns:
    """Readers who click in their own camp only, one article a second."""
    generator = np.random.default_rng(0)
    user = np.repeat(np.arange(1, readers + 1), clicks)
    article = np.concatenate(
        [generator.permutation(CAMP)[:clicks] + 1 + CAMP * (reader % 2) for reader in range(1, readers + 1)]
    )
    return columns(user, article, np.tile(np.arange(float(clicks)), readers))
