"""Which setting of a peer is best on the development split of the training clicks."""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from movielens import Events, Scores, measure, take

from peers.factors import als, bpr
from peers.items import ease, item_knn
from peers.popularity import most_popular, recent_popularity
from recsys.columns import ClickColumns
from recsys.pipeline.histories import Histories

DEVELOPMENT = 0.9  # quantile of the training clicks' times: settings are chosen on what comes after it

Setting = dict[str, Any]
Fit = Callable[[ClickColumns], Scores]
Judge = Callable[[Fit], float]  # quality on the development split of what was fitted on what lies before it


@dataclass(frozen=True)
class Peer:
    """One that fits on clicks alone, and the settings that are tried."""

    name: str
    fit: Callable[..., Scores]  # (train, size, **setting)
    settings: tuple[Setting, ...] = ({},)
    seeded: bool = False  # takes a seed


def grid(**values: Iterable[Any]) -> tuple[Setting, ...]:
    """All combinations."""
    return tuple(dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*values.values()))


POPULAR = Peer("most popular", most_popular)
RECENT = Peer("recent popularity", recent_popularity, grid(days=(1, 3, 7, 30, 90, 365, 1095)))
COLLABORATIVE = (
    Peer("item-kNN", item_knn, grid(shrinkage=(0, 3, 10, 30, 100))),
    Peer("EASE", ease, grid(ridge=(10, 30, 100, 300, 1000, 3000))),
    Peer("ALS", als, grid(factors=(32, 128), alpha=(1, 4), regularization=(0.1, 3, 10)), seeded=True),
    Peer("BPR", bpr, grid(factors=(16, 64), iterations=(10, 30, 100), regularization=(0.003, 0.01, 0.03)), seeded=True),
)


def best(peer: Peer, size: int, judge: Judge) -> Setting:
    """The setting with the highest quality; of equals the first."""
    if len(peer.settings) == 1:
        return peer.settings[0]
    return max(peer.settings, key=lambda setting: judge(lambda train: peer.fit(train, size, **setting)))


def titled(name: str, setting: Setting) -> str:
    """The name of a row, with its setting."""
    return ", ".join([name, *(f"{key} {value:g}" for key, value in setting.items())])


def on_development(make: Fit, test: Events) -> float:
    """nDCG@10 of the training clicks behind DEVELOPMENT, from a fit on those before it."""
    clicks = take(test.train, test.train.weight > 0)
    split = np.quantile(clicks.at, DEVELOPMENT)
    histories, later = Histories.of(clicks), clicks.at > split
    start, end = histories.before(clicks.user[later], clicks.at[later])
    rows = np.flatnonzero(later)[end > start]
    start, end = start[end > start], end[end > start]
    inner = Events(
        train=take(clicks, ~later), histories=histories, user=clicks.user[rows], at=clicks.at[rows],
        target=clicks.article[rows], start=start, end=end, candidates=test.candidates,
        seen=[histories.article[a:b] for a, b in zip(start, end, strict=True)],
        negatives=clicks.article[rows][:, None],
    )  # fmt: skip
    return measure(make(inner.train), inner).means["ndcg@10"]
