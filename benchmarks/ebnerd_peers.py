"""Peers on an EB-NeRD folder, fitted on its training window and tuned on the last day of that."""

import time
from dataclasses import dataclass

import lightgbm
import numpy as np
from ebnerd import Week, scored
from movielens import Scores, take
from peers import lambdarank
from peers.lambdarank import Inputs, Plan
from peers.tuning import COLLABORATIVE, POPULAR, Fit, Peer, best, titled

from recsys.columns import Floats, Floats32
from recsys.evaluation import metrics
from recsys.features.examples import Examples
from recsys.features.features import FEATURES
from recsys.pipeline.model import Views
from recsys.training.fit import head_inputs
from recsys.training.lists import Lists
from recsys.training.towers import FitConfig, TowerConfig

HALF_LIVES = ("30m", "2h", "8h", "24h", "72h")  # of the fold's counters


@dataclass(frozen=True)
class Fitted:
    """A peer that scores histories, the same for shown lists and for all live articles."""

    name: str
    scores: Scores
    seconds: float


@dataclass(frozen=True)
class Trees:
    """LightGBM on the inputs of one stage of the ranking head."""

    plan: Plan
    booster: lightgbm.Booster
    inputs: Inputs
    seconds: float  # those of making the inputs included

    def __call__(self, rows: Floats32, offsets: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> Floats:
        """Scores (rows,) of lists of pointwise inputs."""
        return np.asarray(self.booster.predict(self.inputs(rows, offsets)), np.float64)


@dataclass(frozen=True)
class TwoStages:
    """The same for both stages, and the views that their inputs come from."""

    views: Views
    listwise: Trees
    pointwise: Trees


def click_peers(week: Week) -> list[Fitted]:
    """Those that fit on clicks; most popular counts the clicks in lists, the others those of the histories as well."""
    return [_fitted(week, peer) for peer in (POPULAR, *COLLABORATIVE)]


def tuned_column(week: Week, prefix: str) -> tuple[str, str]:
    """The half-life with which a counter of the fold orders the development lists best: its name and its column."""
    lists = development(week)
    half_life = max(HALF_LIVES, key=lambda name: quality(lists, column(lists, f"{prefix}_{name}")))
    return half_life, f"{prefix}_{half_life}"


def column(lists: Examples, name: str) -> Floats:
    """One feature (rows,)."""
    return lists.features[:, FEATURES.index(name)].astype(np.float64)


def quality(lists: Examples, scores: Floats | Floats32) -> float:
    """Mean nDCG@10."""
    return metrics.mean(metrics.list_metrics(lists.offsets, lists.labels, scores)["ndcg@10"])


def development(week: Week) -> Examples:
    """The lists of the training window's last day."""
    train = week.lists[0]
    return train.stretch(int(np.searchsorted(train.at, week.development)), len(train))


def two_stages(week: Week) -> TwoStages:
    """Fit LightGBM on what ``recsys train`` fits its heads on."""
    started = time.perf_counter()
    config = FitConfig(TowerConfig(fusion=week.settings.fusion))
    views, lists = head_inputs(week.training_set(), towers=config)
    seconds = time.perf_counter() - started
    times = week.known.log.impressions.known_at
    cut = int(np.searchsorted(times[len(times) - len(lists) :], week.development))  # only the newest are examples
    shown = lists.take(np.arange(len(lists)), lists.shown)
    sampled = np.flatnonzero(np.add.reduceat(~lists.shown, lists.offsets[:-1]) > 0)
    among = lists.take(sampled)
    return TwoStages(
        views,
        _trees(shown, cut, lambdarank.shown_inputs, seconds),
        _trees(among, int(np.searchsorted(sampled, cut)), lambdarank.pool_inputs, seconds),
    )


def _trees(lists: Lists, cut: int, inputs: Inputs, seconds: float) -> Trees:
    older, newer = (lists.take(some) for some in np.split(np.arange(len(lists)), [cut]))
    plan = lambdarank.tuned(lambdarank.with_clicks(older), lambdarank.with_clicks(newer), inputs)
    started = time.perf_counter()
    booster = lambdarank.fit(lambdarank.with_clicks(lists), inputs, plan)
    return Trees(plan, booster, inputs, seconds + time.perf_counter() - started)


def _fitted(week: Week, peer: Peer) -> Fitted:
    size, lists = len(week.known.catalogue), development(week)
    clicks = week.clicks(week.split)
    if peer is POPULAR:
        clicks = take(clicks, clicks.backfilled == 0)
    older = take(clicks, clicks.known_at < week.development)

    def judge(make: Fit) -> float:
        return quality(lists, scored(make(older), lists))

    setting = best(peer, size, judge)
    started = time.perf_counter()
    scores = peer.fit(clicks, size, **setting)
    return Fitted(titled(peer.name, setting), scores, time.perf_counter() - started)
