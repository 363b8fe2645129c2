"""Peers that rank for everybody alike."""

import numpy as np
from movielens import Scores

from recsys.columns import ClickColumns, Floats

DAY = 86400.0


def most_popular(train: ClickColumns, size: int) -> Scores:
    """Clicks in training."""
    return _for_everybody(np.bincount(train.article[train.weight > 0], minlength=size).astype(np.float64))


def recent_popularity(train: ClickColumns, size: int, *, days: float) -> Scores:
    """Clicks in training, each worth half as much for every so many days that it is older than the last."""
    liked = train.weight > 0
    worth = np.exp2((train.at[liked] - train.at[liked].max()) / (days * DAY))
    return _for_everybody(np.bincount(train.article[liked], weights=worth, minlength=size))


def _for_everybody(counts: Floats) -> Scores:
    return lambda window: np.repeat(counts[None].astype(np.float32), len(window.mask), axis=0)
