"""The article side of the fold: what is known of every article at an instant, and the steps that change it.

Counters decay exponentially at several half-lives. They are kept for the log as a whole and for the kind of page and
device. A step writes only what the event touches, so its cost does not depend on the size of the catalogue. Batch
replay loops over these very functions, so live and replayed state have identical bits.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from recsys.columns import Floats, Floats32, Ints, Ints32

HALF_LIVES = np.array([0.5, 2.0, 8.0, 24.0, 72.0]) * 3600.0  # seconds
CLICKS, EXPOSURES, CHANCES = 0, 1, 2  # chances: the sum of 1 / list length, the clicks that blind choice would give
CELLS = 7  # 0 is the whole log; 1 to 6 are two kinds of page times three kinds of device
READERS = 128  # newest readers remembered per article; the oldest is overwritten
TASTE = 64  # dimensions of a title signature
RATES = np.array([0.2, 0.8, 3.0])  # how fast ratings follow the newest clicks
HALVES = 2.0 ** -np.arange(61.0)
HALVING = (
    np.polynomial.Chebyshev.interpolate(lambda x: 2.0**-x, 8, [0, 1])
    .convert(kind=np.polynomial.Polynomial)
    .coef[::-1]
    .copy()
)
LATEST = 2.0**32 - 1.0  # second, in 2106
DAY = 3  # the half-life over which lists are counted for the clicks that one of them brings

Seconds = npt.NDArray[np.uint32]  # whole ones, rounded down, since 1970


class ArticleState(NamedTuple):
    """Arrays with one row per article key; row 0, which is no article's key, counts all articles together."""

    counts: Floats  # (articles, cells, 3, half-lives), as of ``stamp``
    stamp: Floats  # (articles, cells) seconds
    first_shown: Floats  # (articles,) seconds, +inf never
    last_shown: Floats  # (articles,) seconds, -inf never
    totals: Ints  # (articles, 2) clicks and exposures ever
    readers: Ints32  # (articles, READERS) user keys, a ring
    reader_at: Seconds  # (articles, READERS) when each of them clicked
    reader_total: Ints  # (articles,) readers ever
    taste: Floats32  # (articles, TASTE) sum of its readers' title tastes at their clicks
    ratings: Floats  # (articles, rates) see ``_expect``


def empty_state(articles: int) -> ArticleState:
    """The state before anything happened, with room for article keys below ``articles``."""
    return ArticleState(
        counts=np.zeros((articles, CELLS, 3, len(HALF_LIVES))),
        stamp=np.zeros((articles, CELLS)),
        first_shown=np.full(articles, np.inf),
        last_shown=np.full(articles, -np.inf),
        totals=np.zeros((articles, 2), np.int64),
        readers=np.zeros((articles, READERS), np.int32),
        reader_at=np.zeros((articles, READERS), np.uint32),
        reader_total=np.zeros(articles, np.int64),
        taste=np.zeros((articles, TASTE), np.float32),
        ratings=np.zeros((articles, len(RATES))),
    )


def grown(state: ArticleState, articles: int) -> ArticleState:
    """The same state with room for article keys below ``articles``; rows without any event take no memory of it."""
    if articles <= len(state.stamp):
        return state
    rows = eventful(state)
    return unpacked(rows, ArticleState._make(array[rows] for array in state), articles)


def eventful(state: ArticleState) -> Ints:
    """Rows to which something happened, rising; all others are as ``empty_state`` has them."""
    happened = (state.first_shown < np.inf) | (state.reader_total > 0)
    happened[:1] = True
    return np.flatnonzero(happened)


def unpacked(rows: Ints, packed: ArticleState, articles: int) -> ArticleState:
    """The state of article keys below ``articles`` from those of its ``rows`` that are not empty."""
    state = empty_state(articles)
    for name in state._fields:
        getattr(state, name)[rows] = getattr(packed, name)
    return state


def merged(first: ArticleState, second: ArticleState) -> ArticleState:
    """The state of two adjacent slices of time, from the state that each slice alone gives.

    Integers, minima and maxima are exact; sums agree within rounding (decayed ones 1e-9 relative, tastes 1e-5). Tastes
    and ratings add up what each slice alone says, which knew neither the readers' nor the articles' past.
    """
    stamp = np.maximum(first.stamp, second.stamp)
    newest = np.minimum(second.reader_total, READERS)
    readers, reader_at = first.readers.copy(), first.reader_at.copy()
    for article in np.flatnonzero(newest):
        count = newest[article]
        behind = np.arange(second.reader_total[article] - count, second.reader_total[article])
        slots = (first.reader_total[article] + behind) % READERS
        readers[article, slots] = second.readers[article, behind % READERS]
        reader_at[article, slots] = second.reader_at[article, behind % READERS]
    return ArticleState(
        counts=_aged(first, stamp) + _aged(second, stamp),
        stamp=stamp,
        first_shown=np.minimum(first.first_shown, second.first_shown),
        last_shown=np.maximum(first.last_shown, second.last_shown),
        totals=first.totals + second.totals,
        readers=readers,
        reader_at=reader_at,
        reader_total=first.reader_total + second.reader_total,
        taste=first.taste + second.taste,
        ratings=first.ratings + second.ratings,
    )


def _aged(state: ArticleState, stamp: Floats) -> Floats:
    aged: Floats = state.counts * np.exp2(-(stamp - state.stamp)[:, :, None, None] / HALF_LIVES)
    return aged


@njit(cache=True)
def halved(times: float) -> float:
    """2 ** -times for times >= 0 (2 ** -60 from there on), within 2e-12: no call, so loops of it become vectors."""
    bounded = min(times, 60.0)
    whole = int(bounded)
    left, part = 0.0, bounded - whole
    for c in range(len(HALVING)):
        left = left * part + HALVING[c]
    return float(left * HALVES[whole])


@njit(cache=True)
def left_after(seconds: float) -> tuple[float, float, float, float, float]:
    """What is left of a count after so many seconds, at each half-life: the shorter ones are powers of the longest."""
    three_days = np.exp2(-seconds / HALF_LIVES[4])
    day = three_days * three_days * three_days
    eight_hours = day * day * day
    four_hours = eight_hours * eight_hours
    two_hours = four_hours * four_hours
    one_hour = two_hours * two_hours
    return one_hour * one_hour, two_hours, eight_hours, day, three_days


@njit(cache=True, nogil=True)
def lately(state: ArticleState, keys: Ints, kind: int, half_life: int, at: float) -> Floats:
    """What is left at a time of the clicks, exposures or chances (n,) of some articles, at one of the half-lives."""
    left = np.zeros(len(keys))
    for i in range(len(keys)):
        count = state.counts[keys[i], 0, kind, half_life]
        if count > 0.0:
            left[i] = count * np.exp2(-max(0.0, at - state.stamp[keys[i], 0]) / HALF_LIVES[half_life])
    return left


@njit(cache=True)
def cell_of(page: int, device: int) -> int:
    """The counter cell of a context, from the codes of its page and device."""
    kind = 0 if device == 1 else (1 if device == 2 else 2)
    return 1 + (3 if page == 2 else 0) + kind


@njit(cache=True)
def fold_impression(state: ArticleState, t: float, cell: int, items: Ints) -> None:
    """Count every item of a list as shown at ``t`` seconds."""
    _expect(state, t, items)
    chance = 1.0 / max(len(items), 1)
    for article in items:
        state.first_shown[article] = min(state.first_shown[article], t)
        state.last_shown[article] = max(state.last_shown[article], t)
        state.totals[article, EXPOSURES] += 1
        for row in (article, 0):
            for c in (0, cell):
                _decay(state, row, c, t)
                for h in range(len(HALF_LIVES)):
                    state.counts[row, c, EXPOSURES, h] += 1.0
                    state.counts[row, c, CHANCES, h] += chance


@njit(cache=True)
def _expect(state: ArticleState, t: float, items: Ints) -> None:
    """Take from the ratings of a list's items the click that they bring together, by their chances of it.

    A click gives as much to the one article it falls on, so a rating follows how much better an article does than its
    ratings said, among the very articles it stood beside: a stochastic gradient step of the Plackett-Luce model (Elo
    1978 for pairs; Luce 1959), at several rates.
    """
    factor = left_after(max(0.0, t - state.stamp[0, 0]))[DAY]
    lists = state.counts[0, 0, CHANCES, DAY] * factor
    clicks = (state.counts[0, 0, CLICKS, DAY] * factor + 1.0) / (lists + 1.0)  # that a list brings
    chances = np.empty(len(items))
    for r in range(len(RATES)):
        highest = -np.inf
        for article in items:
            highest = max(highest, state.ratings[article, r])
        for i in range(len(items)):
            chances[i] = np.exp(state.ratings[items[i], r] - highest)
        chances *= RATES[r] * clicks / max(chances.sum(), 1.0)
        for i in range(len(items)):
            state.ratings[items[i], r] -= chances[i]


@njit(cache=True)
def fold_click(
    state: ArticleState, t: float, at: float, cell: int, article: int, user: int, counted: bool, taste: Floats
) -> None:
    """Remember the reader of an article, when they clicked (``at``) and their taste (TASTE,).

    Count the click, as of ``t`` when it became known, where it is ``counted``.
    """
    slot = state.reader_total[article] % READERS
    state.readers[article, slot] = user
    state.reader_at[article, slot] = np.uint32(min(max(at, 0.0), LATEST))
    state.reader_total[article] += 1
    state.taste[article] += taste
    if not counted:
        return
    state.totals[article, CLICKS] += 1
    for r in range(len(RATES)):
        state.ratings[article, r] += RATES[r]
    for row in (article, 0):
        for c in (0, cell):
            _decay(state, row, c, t)
            for h in range(len(HALF_LIVES)):
                state.counts[row, c, CLICKS, h] += 1.0


@njit(cache=True)
def _decay(state: ArticleState, article: int, cell: int, t: float) -> None:
    elapsed = t - state.stamp[article, cell]
    if elapsed > 0.0:
        left = left_after(elapsed)
        for kind in range(3):
            for h in range(len(HALF_LIVES)):
                state.counts[article, cell, kind, h] *= left[h]
        state.stamp[article, cell] = t
