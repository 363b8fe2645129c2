"""Replay: history run through the live steps again, giving each past list its features as of its own instant.

Events are ordered by ``known_at``. All lists of one stamp are scored before any event of that stamp is folded.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit

from recsys.columns import NONE, Bools, EventLog, Floats, Floats32, Ints, Small
from recsys.domain import RecsysError, Timestamp
from recsys.features.features import WIDTH, Attributes, RequestContext, Scratch, compute_features, scratch_for
from recsys.features.history import UserRings, UserView, empty_rings, ring_click, ring_impression, taste_of, view_of
from recsys.features.state import ArticleState, cell_of, empty_state, fold_click, fold_impression, grown

HISTORY = 50  # newest clicks that the user tower reads
DRAW = 1 << 20  # the attempt that decides whether a list gets samples at all; beyond all others
RECENT_ROWS = 8192  # newest shown rows from which negatives are drawn in proportion to exposure


@dataclass(frozen=True)
class Examples:
    """Lists with their features as of their own time; rows of the i-th are ``offsets[i]:offsets[i + 1]``."""

    offsets: Ints  # (lists + 1,)
    keys: Ints  # (rows,) article keys: those shown, in order, then sampled ones
    shown: Bools  # (rows,) False for live articles that were sampled as further negatives
    labels: Floats32  # (rows,) 1 clicked
    features: Floats32  # (rows, WIDTH)
    position: Ints  # (lists,) of the impression in the log
    user: Ints  # (lists,)
    at: Floats  # (lists,) seconds
    context_article: Ints  # (lists,) or NONE
    history: Ints  # (lists, HISTORY) article keys of the newest liked clicks, oldest first, NONE in front
    history_at: Floats  # (lists, HISTORY) seconds

    def __len__(self) -> int:
        return len(self.user)


class _Events(NamedTuple):
    """A stretch of the log in the order of the fold."""

    time: Floats
    is_click: Bools
    row: Ints
    offsets: Ints
    items: Ints
    user: Ints
    page: Small
    device: Small
    subscriber: Small
    context_article: Ints
    click_user: Ints  # row of the rings
    click_reader: Ints  # user key
    click_article: Ints
    click_at: Floats
    click_weight: Floats
    click_counted: Bools
    click_cell: Ints


class _Pool(NamedTuple):
    """Live articles to sample from: a set as an array, and a ring of the newest shown rows."""

    keys: Ints
    where: Ints  # (articles,) place in keys, or NONE
    size: Ints  # (1,)
    recent: Ints
    recent_total: Ints  # (1,)


class Replay:
    """The fold in motion: state of articles and users, moved forward by stretches of the log."""

    def __init__(
        self,
        attributes: Attributes,
        users: int,
        *,
        live_hours: float = 48.0,
        sampled: int = 0,
        sample_every: int = 1,
        seed: int = 0,
    ):
        """Start before anything happened.

        Args:
            attributes: of the catalogue, one row per article key.
            users: more than the largest user key.
            live_hours: an article is live this long after it was last shown.
            sampled: live articles to add to each list, every other one in proportion to its newest exposures.
            sample_every: only one in so many lists, drawn at random, gets them.
            seed: of the samples.
        """
        articles = len(attributes.section)
        self.attributes = attributes
        self.state: ArticleState = empty_state(articles)
        self.rings: UserRings = empty_rings(users)
        self.scratch: Scratch = scratch_for(articles, users)
        self.live_seconds, self.seed = live_hours * 3600.0, seed
        self.sampled, self.sample_every = sampled, sample_every
        self._pool = _empty_pool(articles)

    def run(self, log: EventLog, *, score_from: Timestamp = -np.inf, score_until: Timestamp = np.inf) -> Examples:
        """Fold all of ``log``, scoring the lists with ``score_from <= known_at < score_until`` on the way.

        Stretches must come in the order of time, and a stamp must not be split between two of them.

        Raises:
            RecsysError: when the log names keys that there is no room for.
        """
        _check_keys(log, len(self.attributes.section), len(self.rings.click_total))
        events = _in_order(log)
        times = log.impressions.known_at
        scored = np.flatnonzero((times >= score_from) & (times < score_until))
        drawn = _drawn(self.seed, log.impressions.position[scored], self.sample_every)
        lengths = np.diff(log.impressions.offsets)[scored] + self.sampled * drawn
        examples = _allocate(log, scored, lengths)
        slot = np.full(len(log.impressions), NONE, np.int64)
        slot[scored] = np.arange(len(scored))
        _replay(
            self.state, self.rings, self._pool, self.attributes, self.scratch, events, slot, examples.offsets,
            examples.keys, examples.features, examples.history, examples.history_at,
            self.sampled, self.live_seconds, self.seed, log.impressions.position,
        )  # fmt: skip
        return _labelled(examples, log) if self.sampled == 0 else _compacted(_labelled(examples, log))

    def resume(self, state: ArticleState, past: EventLog) -> None:
        """Continue from a checkpoint's state; users are known again from ``past``, the log that it has folded.

        Of ``past`` only the newest CLICK_LIMIT clicks and SHOWN_LIMIT shown rows of each user matter. The state is
        taken over, not copied. Samples are as valid as without the interruption, but are not the same ones.
        """
        _check_keys(past, len(self.attributes.section), len(self.rings.click_total))
        events = _in_order(past)
        self.state = grown(state, len(self.attributes.section))
        self.rings = empty_rings(len(self.rings.click_total))
        _ring_events(self.rings, events, 0, len(events.time))
        if self.sampled > 0:
            _pool_items(self._pool, past.impressions.items)


def fold_live(state: ArticleState, attributes: Attributes, log: EventLog, views: Mapping[int, UserView]) -> None:
    """Fold a newly read stretch into the article side, by the same steps as a replay.

    Args:
        state: changed in place.
        attributes: of the catalogue, one row per article key.
        log: a stretch that begins behind everything folded before, and splits no stamp.
        views: what was known of each user who clicks in it, strictly before it.
    """
    _check_keys(log, min(len(state.stamp), len(attributes.section)), np.iinfo(np.int64).max)
    row_of = {user: row for row, user in enumerate(views)}
    rings = empty_rings(len(views) + 1)  # the last row takes what users without a view are shown
    for user, view in views.items():
        for article, at, weight in zip(view.clicked, view.clicked_at, view.clicked_weight, strict=True):
            ring_click(rings, row_of[user], article, at, weight)
    events = _in_order(log)._replace(
        user=np.array([row_of.get(int(user), len(views)) for user in log.impressions.user], np.int64),
        click_user=np.array([row_of[int(user)] for user in log.clicks.user], np.int64),
    )
    first, nobody = 0, _empty_pool(0)
    while first < len(events.time):
        last = int(np.searchsorted(events.time, events.time[first], side="right"))
        _fold_stamp(state, rings, nobody, attributes, events, first, last, float(events.time[first]), 0)
        first = last


def _empty_pool(articles: int) -> _Pool:
    nowhere, recent = np.full(articles, NONE, np.int64), np.zeros(RECENT_ROWS, np.int64)
    return _Pool(np.zeros(articles, np.int64), nowhere, np.zeros(1, np.int64), recent, np.zeros(1, np.int64))


def _check_keys(log: EventLog, articles: int, users: int) -> None:
    """Compiled code does not look where it writes."""
    i, c = log.impressions, log.clicks
    if max(part.max(initial=0) for part in (i.items, i.context_article, c.article)) >= articles:
        raise RecsysError("The log names articles that are newer than the catalogue: read the catalogue after the log.")
    if max(part.max(initial=0) for part in (i.user, c.user)) >= users:
        raise RecsysError(f"The log names users that are newer than the {users} keys there is room for: count again.")


def _in_order(log: EventLog) -> _Events:
    i, c = log.impressions, log.clicks
    time = np.concatenate([i.known_at, c.known_at])
    is_click = np.repeat([False, True], [len(i), len(c)])
    row = np.concatenate([np.arange(len(i)), np.arange(len(c))])
    order = np.lexsort((row, is_click, time))
    counted = (c.weight > 0) & (c.backfilled == 0)
    cells = np.array([cell_of(int(p), int(d)) for p, d in np.ndindex(3, 5)]).reshape(3, 5)
    return _Events(
        time[order], is_click[order], row[order], i.offsets, i.items, i.user, i.page, i.device, i.subscriber,
        i.context_article, c.user, c.user, c.article, c.at, c.weight, counted, cells[c.page, c.device],
    )  # fmt: skip


def _allocate(log: EventLog, scored: Ints, lengths: Ints) -> Examples:
    offsets = np.zeros(len(scored) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    rows, impressions = int(offsets[-1]), log.impressions
    return Examples(
        offsets=offsets,
        keys=np.full(rows, NONE, np.int64),
        shown=np.zeros(rows, np.bool_),
        labels=np.zeros(rows, np.float32),
        features=np.zeros((rows, WIDTH), np.float32),
        position=impressions.position[scored],
        user=impressions.user[scored],
        at=impressions.known_at[scored],
        context_article=impressions.context_article[scored],
        history=np.full((len(scored), HISTORY), NONE, np.int64),
        history_at=np.zeros((len(scored), HISTORY)),
    )


def _labelled(examples: Examples, log: EventLog) -> Examples:
    """Mark the rows that were shown, and those of them that were clicked as far as ``log`` knows."""
    clicked = log.clicks.weight > 0
    pairs = np.stack([log.clicks.impression, log.clicks.article], axis=1)[clicked & (log.clicks.impression != NONE)]
    lists = np.repeat(np.arange(len(examples)), np.diff(examples.offsets))
    lengths = dict(zip(log.impressions.position, np.diff(log.impressions.offsets), strict=True))
    inside = np.arange(len(examples.keys)) - examples.offsets[lists]
    shown_lengths = np.array([lengths[p] for p in examples.position], np.int64)
    examples.shown[:] = inside < shown_lengths[lists]
    width = int(max(examples.keys.max(initial=0), pairs[:, 1].max(initial=0))) + 1
    codes = examples.position[lists] * width + examples.keys
    examples.labels[:] = examples.shown & np.isin(codes, pairs[:, 0] * width + pairs[:, 1])
    return examples


def _compacted(examples: Examples) -> Examples:
    """Drop the places for samples that were not filled."""
    keep = examples.keys != NONE
    lists = np.repeat(np.arange(len(examples)), np.diff(examples.offsets))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(lists[keep], minlength=len(examples)))])
    rows = {name: getattr(examples, name)[keep] for name in ("keys", "shown", "labels", "features")}
    whole = ("position", "user", "at", "context_article", "history", "history_at")
    return Examples(offsets=offsets, **rows, **{name: getattr(examples, name) for name in whole})


@njit(cache=True)
def _replay(
    state: ArticleState, rings: UserRings, pool: _Pool, attributes: Attributes, scratch: Scratch, events: _Events,
    slot: Ints, offsets: Ints, keys: Ints, features: Floats32, history: Ints, history_at: Floats,
    sampled: int, live_seconds: float, seed: int, position: Ints,
) -> None:  # fmt: skip
    first = 0
    while first < len(events.time):
        t = events.time[first]
        last = first
        while last < len(events.time) and events.time[last] == t:
            last += 1
        for e in range(first, last):
            i = events.row[e]
            if not events.is_click[e] and slot[i] != NONE:
                s = slot[i]
                rows = slice(offsets[s], offsets[s + 1])
                shown = events.items[events.offsets[i] : events.offsets[i + 1]]
                keys[rows][: len(shown)] = shown
                view = view_of(rings, events.user[i])
                filled = len(shown)
                if sampled > 0:
                    filled = _sample(
                        state, pool, view.clicked, t, live_seconds, seed, position[i], len(shown), keys[rows]
                    )
                request = RequestContext(
                    events.page[i], events.device[i], events.subscriber[i], events.context_article[i]
                )
                here = slice(offsets[s], offsets[s] + filled)
                compute_features(
                    state, attributes, view, events.user[i], request, t, keys[here], scratch, features[here]
                )
                _liked(view.clicked, view.clicked_at, view.clicked_weight, history[s], history_at[s])
        _fold_stamp(state, rings, pool, attributes, events, first, last, t, sampled)
        first = last


@njit(cache=True)
def _fold_stamp(
    state: ArticleState, rings: UserRings, pool: _Pool, attributes: Attributes, events: _Events,
    first: int, last: int, t: float, sampled: int,
) -> None:  # fmt: skip
    """Fold the events of one stamp: articles first, by what was known of their readers before it, then users."""
    for e in range(first, last):
        i = events.row[e]
        if events.is_click[e]:
            if events.click_weight[i] > 0.0:
                user = events.click_user[i]
                taste = taste_of(view_of(rings, user), attributes.signatures)
                cell, counted = events.click_cell[i], events.click_counted[i]
                fold_click(state, t, cell, events.click_article[i], events.click_reader[i], counted, taste)
        else:
            items = events.items[events.offsets[i] : events.offsets[i + 1]]
            fold_impression(state, t, cell_of(events.page[i], events.device[i]), items)
            if sampled > 0:
                _pool_items(pool, items)
    _ring_events(rings, events, first, last)


@njit(cache=True)
def _ring_events(rings: UserRings, events: _Events, first: int, last: int) -> None:
    for e in range(first, last):
        i = events.row[e]
        if events.is_click[e]:
            ring_click(rings, events.click_user[i], events.click_article[i], events.click_at[i], events.click_weight[i])
        else:
            items = events.items[events.offsets[i] : events.offsets[i + 1]]
            ring_impression(rings, events.user[i], events.time[e], items)


@njit(cache=True)
def _liked(clicked: Ints, clicked_at: Floats, weight: Floats, history: Ints, history_at: Floats) -> None:
    place = len(history)
    for i in range(len(clicked) - 1, -1, -1):
        if place > 0 and weight[i] > 0.0:
            place -= 1
            history[place] = clicked[i]
            history_at[place] = clicked_at[i]


@njit(cache=True)
def _pool_items(pool: _Pool, items: Ints) -> None:
    for a in items:
        pool.recent[pool.recent_total[0] % len(pool.recent)] = a
        pool.recent_total[0] += 1
        if pool.where[a] == NONE:
            pool.where[a] = pool.size[0]
            pool.keys[pool.size[0]] = a
            pool.size[0] += 1


@njit(cache=True)
def _sample(
    state: ArticleState,
    pool: _Pool,
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
def _drop(pool: _Pool, article: int) -> None:
    place = pool.where[article]
    if place != NONE:
        moved = pool.keys[pool.size[0] - 1]
        pool.keys[place] = moved
        pool.where[moved] = place
        pool.where[article] = NONE
        pool.size[0] -= 1


@njit(cache=True)
def _drawn(seed: int, positions: Ints, every: int) -> Bools:
    """Which lists get samples: one in ``every``, whatever stretch of the log they come in."""
    drawn = np.empty(len(positions), np.bool_)
    for i in range(len(positions)):
        drawn[i] = _random(seed, positions[i], DRAW) % every == 0
    return drawn


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
