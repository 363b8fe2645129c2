"""A generated log of any length: articles that come, are shown a lot and fade, and readers who click some of them."""

from dataclasses import dataclass

import numpy as np

from recsys.columns import NONE, ClickColumns, EventLog, Floats, ImpressionColumns, Ints
from recsys.features.features import Attributes, title_signatures
from recsys.pipeline.content import Content
from recsys.training.fit import TrainingSet

DAY = 86400.0
START = 1_700_000_000.0
BUCKET = 600.0  # seconds in which the live articles stay the same
LIVE = 300  # articles that can be shown in one bucket
FADE = 8 * 3600.0  # an article is shown half as often after so long
SECTIONS, DIM = 20, 384


@dataclass(frozen=True)
class World:
    """Sizes of a generated log."""

    impressions: int
    articles: int = 20_000
    users: int = 100_000
    shown: int = 11  # in each list
    days: float = 7.0
    seed: int = 0


def training_set(world: World) -> TrainingSet:
    """All of it as one training; the same world gives the same."""
    generator = np.random.default_rng(world.seed)
    published = START + np.sort(generator.uniform(-2.0, world.days, world.articles)) * DAY
    quality = generator.gumbel(size=world.articles)  # a few are shown and clicked far more than the rest
    titles = generator.standard_normal((world.articles + 1, DIM)).astype(np.float32)  # key 0 is no article's
    titles /= np.linalg.norm(titles, axis=1, keepdims=True)
    log = _log(world, published, quality, generator)
    return TrainingSet(
        log=log,
        attributes=_attributes(world, published, titles, generator),
        content=Content({"title": titles}, {"title": np.arange(world.articles + 1) > 0}),
        users=world.users + 1,
        indexed=np.arange(1, world.articles + 1),
        encoders={},
        since=-np.inf,
        until=float(log.clicks.known_at[-1]) + 1.0,
        live_hours=48.0,
        bounce=1.0,  # no dwell times are known here
    )


def _log(world: World, published: Floats, quality: Floats, generator: np.random.Generator) -> EventLog:
    """More is read by day than by night; some readers come often."""
    times = START + np.sort(generator.uniform(0.0, world.days, 2 * world.impressions)) * DAY
    awake = generator.random(len(times)) < 0.6 - 0.4 * np.cos(2 * np.pi * times / DAY)
    times = generator.choice(times[awake], world.impressions, replace=False)
    times.sort()
    users = 1 + (world.users * generator.random(world.impressions) ** 2).astype(np.int64)
    items = np.concatenate([np.zeros((0, world.shown), np.int64), *_shown(world, times, published, quality, generator)])
    return EventLog(_impressions(times, users, items, generator), _clicks(times, users, items, quality, generator))


def _shown(
    world: World, times: Floats, published: Floats, quality: Floats, generator: np.random.Generator
) -> list[Ints]:
    """Keys (lists, shown) by bucket: drawn without repetition by quality and freshness (Gumbel top-k)."""
    found = []
    for bucket in np.unique(times // BUCKET).tolist():
        now = (bucket + 1) * BUCKET
        lists = int(np.searchsorted(times, now) - np.searchsorted(times, bucket * BUCKET))
        there = np.flatnonzero(published < bucket * BUCKET)
        weight = quality[there] - np.log(2) * (now - published[there]) / FADE
        best = np.argsort(-weight)[:LIVE]
        drawn = weight[best] + generator.gumbel(size=(lists, len(best)))
        found.append(there[best[np.argpartition(-drawn, world.shown, axis=1)[:, : world.shown]]] + 1)
    return found


def _impressions(times: Floats, users: Ints, items: Ints, generator: np.random.Generator) -> ImpressionColumns:
    count, length = items.shape
    return ImpressionColumns(
        position=np.arange(1, count + 1),
        user=users,
        known_at=times,
        offsets=np.arange(count + 1) * length,
        items=items.ravel(),
        page=generator.integers(1, 3, count).astype(np.int8),
        device=generator.integers(1, 4, count).astype(np.int8),
        subscriber=generator.integers(0, 2, count).astype(np.int8),
        context_article=np.full(count, NONE),
    )


def _clicks(times: Floats, users: Ints, items: Ints, quality: Floats, generator: np.random.Generator) -> ClickColumns:
    """One click in each list, half a minute later: the better and higher an article stands, the likelier."""
    utility = quality[items - 1] - 0.1 * np.arange(items.shape[1])
    chosen = np.argmax(utility + generator.gumbel(size=items.shape), axis=1)
    at = times + generator.exponential(30.0, len(times))
    order = np.argsort(at, kind="stable")
    count, page = len(times), np.zeros(len(times), np.int8)
    return ClickColumns(
        position=np.arange(1, count + 1), user=users[order], article=items[order, chosen[order]], at=at[order],
        known_at=at[order], weight=np.ones(count), dwell=np.full(count, np.nan),
        backfilled=np.zeros(count, np.int8), impression=order + 1, page=page, device=page,
    )  # fmt: skip


def _attributes(world: World, published: Floats, titles: np.ndarray, generator: np.random.Generator) -> Attributes:
    size = world.articles + 1
    return Attributes(
        published_at=np.append(np.nan, published),
        section=generator.integers(0, SECTIONS, size),
        sections=SECTIONS,
        premium=generator.integers(0, 2, size).astype(np.float64),
        length=generator.uniform(500, 9000, size),
        signatures=title_signatures(titles),
    )
