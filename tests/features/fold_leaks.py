"""Futures to break on purpose: what becomes known at or after an instant is deleted, or replaced by nonsense."""

from dataclasses import replace

import numpy as np
from fold_worlds import Bits, between, by_list

from recsys.columns import Bools, ClickColumns, EventLog, ImpressionColumns, Ints
from recsys.features.replay import Replay


def deleted(log: EventLog, t: float) -> EventLog:
    """The log without what is known at ``t`` or later; only the lists of ``t`` itself stay, to be scored."""
    return EventLog(between(log, until=np.nextafter(t, np.inf)).impressions, between(log, until=t).clicks)


def corrupted(log: EventLog, t: float, keep: Ints, replay: Replay, seed: int) -> EventLog:
    """The log with nonsense known at ``t`` or later; the lists at the positions ``keep`` stay as they are."""
    draw = np.random.default_rng(seed)
    articles, users = len(replay.attributes.section), len(replay.rings.click_total)
    later = (log.impressions.known_at >= t) & ~np.isin(log.impressions.position, keep)
    impressions = _nonsense_lists(log.impressions, later, t, articles, users, draw)
    clicks = _nonsense_clicks(log.clicks, log.clicks.known_at >= t, t, articles, users, draw)
    return EventLog(impressions, clicks)


def dated_by_click(log: EventLog) -> EventLog:
    """The leak that the fold must not have: every click is known when it happens."""
    order = np.argsort(log.clicks.at, kind="stable")
    clicks = replace(log.clicks, known_at=log.clicks.at)
    return EventLog(log.impressions, ClickColumns(**{name: column[order] for name, column in vars(clicks).items()}))


def examples_until(replay: Replay, log: EventLog, t: float) -> Bits:
    """Examples of the lists known at ``t`` or earlier, without labels, to the bit."""
    examples = replay.run(log)
    early = set(examples.position[examples.at <= t].tolist())
    return {position: example for position, example in by_list([examples]).items() if position in early}


def _nonsense_lists(
    i: ImpressionColumns, later: Bools, t: float, articles: int, users: int, draw: np.random.Generator
) -> ImpressionColumns:
    n, rows = len(i), np.repeat(later, np.diff(i.offsets))
    return replace(
        i,
        user=np.where(later, draw.integers(1, users, n), i.user),
        known_at=np.where(later, t + _delays(n, draw), i.known_at),
        items=np.where(rows, draw.integers(1, articles, len(i.items)), i.items),
        page=np.where(later, draw.integers(0, 3, n), i.page).astype(np.int8),
        device=np.where(later, draw.integers(0, 5, n), i.device).astype(np.int8),
    )


def _nonsense_clicks(
    c: ClickColumns, later: Bools, t: float, articles: int, users: int, draw: np.random.Generator
) -> ClickColumns:
    n = len(c)
    changed = replace(
        c,
        user=np.where(later, draw.integers(1, users, n), c.user),
        article=np.where(later, draw.integers(1, articles, n), c.article),
        known_at=np.where(later, t + _delays(n, draw), c.known_at),
        weight=np.where(later, draw.integers(0, 2, n), c.weight),
        backfilled=np.where(later, draw.integers(0, 2, n), c.backfilled).astype(np.int8),
    )
    stays = ~later | (draw.random(n) < 0.7)
    return ClickColumns(**{name: column[stays] for name, column in vars(changed).items()})


def _delays(n: int, draw: np.random.Generator) -> np.ndarray:
    return draw.choice([0.0, 0.0, 1.0, 3600.0, 1e5], n)
