"""Pairs of articles that one user clicked near one another: what a fine-tuned title encoder is to bring together."""

import numpy as np

from recsys.columns import Bools, ClickColumns, Ints
from recsys.domain import Timestamp
from recsys.pipeline.histories import Histories

WINDOW = 50  # clicks back, as many as the user tower reads
PER_USER = 200  # newest clicks of a user that are paired, so that a few avid readers do not make up the whole
DRAWS = 4  # partners of each


def co_clicks(clicks: ClickColumns, *, until: Timestamp = np.inf, window: int = WINDOW, seed: int = 0) -> Ints:
    """Article keys (n, 2): a click known before ``until``, and one of the ``window`` clicks before it, by chance.

    Popular articles are damped: a pair stays with the chance sqrt(mean / clicks) of either, where that is less than
    one, after the subsampling of Mikolov et al., 2013.
    """
    kept = (clicks.known_at < until) & (clicks.weight > 0)
    histories = Histories.of(clicks.take(kept))
    generator = np.random.default_rng(seed)
    place, reach = _newest(histories, window)
    place, reach = np.repeat(place, DRAWS), np.repeat(reach, DRAWS)
    partner = place - 1 - (generator.random(len(place)) * reach).astype(np.int64)
    pairs = np.stack([histories.article[place], histories.article[partner]], axis=1)
    return generator.permutation(pairs[_damped(pairs, generator)])


def _newest(histories: Histories, window: int) -> tuple[Ints, Ints]:
    """Rows of the clicks that are paired, and how many clicks before each may be its partner."""
    _, first, counts = np.unique(histories.user, return_index=True, return_counts=True)
    rank = np.arange(len(histories)) - np.repeat(first, counts)  # clicks of that user before this one
    newest = rank >= np.repeat(counts, counts) - PER_USER
    place = np.flatnonzero(newest & (rank > 0))
    return place, np.minimum(rank[place], window)


def _damped(pairs: Ints, generator: np.random.Generator) -> Bools:
    """Which pairs of two articles stay."""
    if not len(pairs):
        return np.zeros(0, np.bool_)
    counts = np.bincount(pairs.ravel())
    chance = np.minimum(1.0, np.sqrt(counts[counts > 0].mean() / np.maximum(counts, 1)))
    stays = generator.random(len(pairs)) < chance[pairs].prod(axis=1)
    two: Bools = stays & (pairs[:, 0] != pairs[:, 1])
    return two
