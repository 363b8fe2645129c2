"""Replay: history run through the live steps again, giving each past list its features as of its own instant.

Events are ordered by ``known_at``. All lists of one stamp are scored before any event of that stamp is folded.
"""

from collections.abc import Mapping

import numpy as np
from numba import njit

from recsys.columns import NONE, EventLog, Floats, Floats32, Ints
from recsys.domain import Timestamp
from recsys.features.examples import Examples, allocate, compacted, labelled
from recsys.features.features import Attributes, RequestContext, compute_features
from recsys.features.history import (
    UserRings,
    UserView,
    empty_rings,
    ring_click,
    ring_impression,
    rings_of,
    taste_in,
    view_of,
)
from recsys.features.marks import Scratch, scratch_for
from recsys.features.order import Events, check_keys, in_order
from recsys.features.sampling import Pool, drawn, empty_pool, pool_items, sample
from recsys.features.state import ArticleState, cell_of, empty_state, fold_click, fold_impression, grown


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
        self._pool = empty_pool(articles)

    def run(self, log: EventLog, *, score_from: Timestamp = -np.inf, score_until: Timestamp = np.inf) -> Examples:
        """Fold all of ``log``, scoring the lists with ``score_from <= known_at < score_until`` on the way.

        Stretches must come in the order of time, and a stamp must not be split between two of them.

        Raises:
            RecsysError: when the log names keys that there is no room for.
        """
        check_keys(log, len(self.attributes.section), len(self.rings.click_total))
        events = in_order(log)
        times = log.impressions.known_at
        scored = np.flatnonzero((times >= score_from) & (times < score_until))
        examples = allocate(log, scored, self._samples(log, scored))
        slot = np.full(len(log.impressions), NONE, np.int64)
        slot[scored] = np.arange(len(scored))
        _replay(
            self.state, self.rings, self._pool, self.attributes, self.scratch, events, slot, examples.offsets,
            examples.keys, examples.features, examples.history, examples.history_at,
            self.sampled, self.live_seconds, self.seed, log.impressions.position,
        )  # fmt: skip
        return labelled(examples, log) if self.sampled == 0 else compacted(labelled(examples, log))

    def most_rows(self, log: EventLog, score_from: Timestamp = -np.inf) -> int:
        """Rows that the lists of a log from a time on have at most, samples included."""
        scored = np.flatnonzero(log.impressions.known_at >= score_from)
        return int((np.diff(log.impressions.offsets)[scored] + self._samples(log, scored)).sum())

    def _samples(self, log: EventLog, scored: Ints) -> Ints:
        """How many samples each of these lists is to have."""
        return self.sampled * drawn(self.seed, log.impressions.position[scored], self.sample_every)

    def resume(self, state: ArticleState, past: EventLog) -> None:
        """Continue from a checkpoint's state; users are known again from ``past``, the log that it has folded.

        Of ``past`` only the newest CLICK_LIMIT clicks and SHOWN_LIMIT shown rows of each user matter. The state is
        taken over, not copied. Samples are as valid as without the interruption, but are not the same ones.
        """
        check_keys(past, len(self.attributes.section), len(self.rings.click_total))
        events = in_order(past)
        self.state = grown(state, len(self.attributes.section))
        self.rings = empty_rings(len(self.rings.click_total))
        _ring_events(self.rings, events, 0, len(events.time))
        if self.sampled > 0:
            pool_items(self._pool, past.impressions.items)


def fold_live(state: ArticleState, attributes: Attributes, log: EventLog, views: Mapping[int, UserView]) -> None:
    """Fold a newly read stretch into the article side, by the same steps as a replay.

    Args:
        state: changed in place.
        attributes: of the catalogue, one row per article key.
        log: a stretch that begins behind everything folded before, and splits no stamp.
        views: what was known of each user who clicks in it, strictly before it.
    """
    check_keys(log, min(len(state.stamp), len(attributes.section)), np.iinfo(np.int32).max)
    row_of = {user: row for row, user in enumerate(views)}
    rings = rings_of(list(views.values()))
    events = in_order(log)._replace(
        user=np.array([row_of.get(int(user), len(views)) for user in log.impressions.user], np.int64),
        click_user=np.array([row_of[int(user)] for user in log.clicks.user], np.int64),
    )
    first, nobody = 0, empty_pool(0)
    while first < len(events.time):
        last = int(np.searchsorted(events.time, events.time[first], side="right"))
        _fold_stamp(state, rings, nobody, attributes, events, first, last, float(events.time[first]), 0)
        first = last


@njit(cache=True, nogil=True)
def _replay(
    state: ArticleState, rings: UserRings, pool: Pool, attributes: Attributes, scratch: Scratch, events: Events,
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
                    filled = sample(
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


@njit(cache=True, nogil=True)
def _fold_stamp(
    state: ArticleState, rings: UserRings, pool: Pool, attributes: Attributes, events: Events,
    first: int, last: int, t: float, sampled: int,
) -> None:  # fmt: skip
    """Fold the events of one stamp: articles first, by what was known of their readers before it, then users."""
    for e in range(first, last):
        i = events.row[e]
        if events.is_click[e]:
            if events.click_weight[i] > 0.0:
                taste = taste_in(rings, events.click_user[i], attributes.signatures)
                cell, counted = events.click_cell[i], events.click_counted[i]
                reader, at = events.click_reader[i], events.click_at[i]
                fold_click(state, t, at, cell, events.click_article[i], reader, counted, taste)
        else:
            items = events.items[events.offsets[i] : events.offsets[i + 1]]
            fold_impression(state, t, cell_of(events.page[i], events.device[i]), items)
            if sampled > 0:
                pool_items(pool, items)
    _ring_events(rings, events, first, last)


@njit(cache=True, nogil=True)
def _ring_events(rings: UserRings, events: Events, first: int, last: int) -> None:
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
