"""Ranking features of candidates for one user at one instant: a pure function of state, catalogue, user and context.

The columns are named in ``FEATURES``, in the order in which the kernel writes them. Reads never write: scratch arrays
belong to the reader and are left as they were found.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from recsys.columns import NONE, Catalogue, Floats, Floats32, Ints
from recsys.features.history import UserView, liked_of, taste_of
from recsys.features.marks import Scratch, mark_readers, mark_user, read_marks, unmark
from recsys.features.prefetch import prefetch
from recsys.features.state import (
    CHANCES,
    CLICKS,
    EXPOSURES,
    HALF_LIVES,
    RATES,
    TASTE,
    ArticleState,
    cell_of,
    left_after,
)

PRIOR = 10.0  # exposures' worth of the general CTR that every article starts with
NEVER = 60.0 * 24.0 * 60.0  # minutes since something that never happened
SIGNED = 256  # titles projected at once
AHEAD = 4  # candidates whose memory is on its way while one is computed

_HALF_LIFE_NAMES = ("30m", "2h", "8h", "24h", "72h")
COUNTERS = tuple(
    f"{what}{where}{half}"
    for where in ("_", "_here_")
    for half in _HALF_LIFE_NAMES
    for what in ("clicks", "exposures", "ctr", "lift")
)
RATINGS = ("rating_slow", "rating_medium", "rating_fast")
SHARES = tuple(f"share_of_clicks_{half}" for half in _HALF_LIFE_NAMES)
AGES = ("since_first_shown", "since_last_shown", "since_published")
SEEN = ("times_shown_to_user", "since_shown_to_user", "times_clicked_by_user", "since_clicked_by_user")
CO_CLICK = ("co_click_last", "co_click_recent", "co_click_history", "co_click_context")
LIKENESS = tuple(f"{what}_{hours}h" for hours in (24, 8, 2) for what in ("readers_like_user", "likeness_of_readers"))
CATALOGUE = (
    "section_share_of_user", "section_of_last_click", "section_of_context", "premium", "premium_for_subscriber",
    "premium_share_of_user", "length", "length_from_users_mean",
)  # fmt: skip
REQUEST = (
    "user_clicks", "user_rows", "since_user_click", "since_user_shown", "user_rows_last_day", "front_page",
    "article_page", "desktop", "mobile", "tablet", "subscriber", "hour_sin", "hour_cos", "clicks_overall",
)  # fmt: skip
FEATURES = COUNTERS + SHARES + RATINGS + AGES + SEEN + CO_CLICK + LIKENESS + ("title_taste",) + CATALOGUE + REQUEST
WIDTH = len(FEATURES)
VARYING = WIDTH - len(REQUEST)  # the leading columns differ between the candidates of one list


class Attributes(NamedTuple):
    """What the kernel needs of the catalogue; one row per article key."""

    published_at: Floats  # NaN unknown
    section: Ints  # NONE unknown
    sections: int  # how many there are
    premium: Floats  # NaN unknown
    length: Floats  # NaN unknown
    signatures: Floats32  # (articles, TASTE) of the titles, zeros unknown


class RequestContext(NamedTuple):
    """Codes of where the list is shown, see ``recsys.columns``."""

    page: int
    device: int
    subscriber: int
    context_article: int


def attributes_of(catalogue: Catalogue, signatures: Floats32) -> Attributes:
    """The kernel's part of a catalogue; signatures are (articles, TASTE)."""
    c = catalogue
    return Attributes(c.published_at, c.section, len(c.sections), c.premium, c.length, signatures)


def title_signatures(titles: Floats32) -> Floats32:
    """A fixed random projection of title vectors (n, d) to (n, TASTE), normalised; zero rows stay zero.

    It keeps cosines within about 1 / sqrt(TASTE) (Johnson and Lindenstrauss 1984) and depends on nothing trained. A
    title has the same bits whichever others are projected with it: a product of another shape would round otherwise.
    """
    projection = np.random.default_rng(384).standard_normal((titles.shape[1], TASTE)).astype(np.float32)
    projected = np.empty((len(titles), TASTE), np.float32)
    for start in range(0, len(titles), SIGNED):
        some = titles[start : start + SIGNED]
        filled = np.concatenate([some, np.zeros((SIGNED - len(some), some.shape[1]), np.float32)])
        projected[start : start + SIGNED] = (filled @ projection)[: len(some)]
    norms = np.linalg.norm(projected, axis=1, keepdims=True)
    signatures: Floats32 = np.divide(projected, norms, out=np.zeros_like(projected), where=norms > 0)
    return signatures


@njit(cache=True, nogil=True)
def compute_features(
    state: ArticleState,
    attributes: Attributes,
    view: UserView,
    user: int,
    request: RequestContext,
    t: float,
    candidates: Ints,
    scratch: Scratch,
    out: Floats32,
) -> None:
    """Write the features of candidate keys (n,), as known strictly before ``t`` seconds, to ``out`` (n, WIDTH)."""
    liked = liked_of(view)
    mark_user(view, scratch)
    mark_readers(state, liked, user, request.context_article, scratch)
    taste = taste_of(liked, attributes.signatures)
    shares = _section_shares(liked, attributes)
    premium_share, mean_length = _means(liked, attributes)
    last = liked.clicked[-1] if len(liked.clicked) > 0 else NONE
    cell = cell_of(request.page, request.device)
    tail = _request_features(state, liked, request, t)
    general = _general(state, cell, t)
    for a in candidates[:AHEAD]:
        _prefetch(state, attributes, scratch, a, cell)
    for i in range(len(candidates)):
        if i + AHEAD < len(candidates):
            _prefetch(state, attributes, scratch, candidates[i + AHEAD], cell)
        a, row = candidates[i], out[i]
        at = _counters(state, a, cell, t, general, row)
        row[at] = _log_minutes(t - state.first_shown[a])
        row[at + 1] = _log_minutes(t - state.last_shown[a])
        published = attributes.published_at[a]
        row[at + 2] = _log_minutes(np.inf if np.isnan(published) else max(0.0, t - published))
        at = _seen(scratch, a, t, row, at + 3)
        at = read_marks(state, a, t, scratch, row, at)
        at = _title_taste(state, taste, a, row, at)
        at = _catalogue(attributes, a, last, request, shares, premium_share, mean_length, row, at)
        row[at:] = tail
    unmark(view, scratch)


@njit(cache=True)
def _prefetch(state: ArticleState, attributes: Attributes, scratch: Scratch, a: int, cell: int) -> None:
    """Ask for all that is going to be read of an article."""
    for times in (state.first_shown, state.last_shown, scratch.last_shown, scratch.last_clicked):
        prefetch(times, a)
    for numbers in (attributes.published_at, attributes.premium, attributes.length):
        prefetch(numbers, a)
    for whole in (attributes.section, state.reader_total, scratch.times_shown, scratch.times_clicked):
        prefetch(whole, a)
    for here in (0, cell):
        prefetch(state.counts[:, here], a)
    prefetch(state.stamp, a)
    prefetch(state.ratings, a)
    prefetch(state.readers, a)
    prefetch(state.reader_at, a)
    prefetch(state.taste, a)


@njit(cache=True)
def _log_minutes(seconds: float) -> np.float64:
    return np.float64(np.log1p(min(max(seconds, 0.0) / 60.0, NEVER)))


@njit(cache=True)
def _general(state: ArticleState, cell: int, t: float) -> Floats:
    """CTR of all articles together, in the log as a whole and in this cell, and their clicks, (3, half-lives)."""
    general = np.empty((3, len(HALF_LIVES)))
    left, here = left_after(max(0.0, t - state.stamp[0, 0])), left_after(max(0.0, t - state.stamp[0, cell]))
    for h in range(len(HALF_LIVES)):
        general[2, h] = state.counts[0, 0, CLICKS, h] * left[h]
        general[0, h] = (general[2, h] + 0.1) / (state.counts[0, 0, EXPOSURES, h] * left[h] + 1.0)
        clicks, exposures = state.counts[0, cell, CLICKS, h] * here[h], state.counts[0, cell, EXPOSURES, h] * here[h]
        general[1, h] = (clicks + 0.1) / (exposures + 1.0)
    return general


@njit(cache=True)
def _counters(state: ArticleState, a: int, cell: int, t: float, general: Floats, row: Floats32) -> int:
    at, shares = 0, 8 * len(HALF_LIVES)
    for place in range(2):
        c = cell if place == 1 else 0
        left = left_after(max(0.0, t - state.stamp[a, c]))
        for h in range(len(HALF_LIVES)):
            clicks = state.counts[a, c, CLICKS, h] * left[h]
            exposures = state.counts[a, c, EXPOSURES, h] * left[h]
            row[at] = np.log1p(clicks)
            row[at + 1] = np.log1p(exposures)
            row[at + 2] = np.log((clicks + PRIOR * general[place, h]) / (exposures + PRIOR))
            row[at + 3] = np.log((clicks + 1.0) / (state.counts[a, c, CHANCES, h] * left[h] + 1.0))
            at += 4
            if place == 0:
                row[shares + h] = np.log((clicks + 0.1) / (general[2, h] + 10.0))
    for r in range(len(RATES)):
        row[shares + len(HALF_LIVES) + r] = state.ratings[a, r]
    return shares + len(HALF_LIVES) + len(RATES)


@njit(cache=True)
def _seen(scratch: Scratch, a: int, t: float, row: Floats32, at: int) -> int:
    row[at] = np.log1p(scratch.times_shown[a])
    row[at + 1] = _log_minutes(t - scratch.last_shown[a] if scratch.times_shown[a] > 0 else np.inf)
    row[at + 2] = np.log1p(scratch.times_clicked[a])
    row[at + 3] = _log_minutes(t - scratch.last_clicked[a] if scratch.times_clicked[a] > 0 else np.inf)
    return at + 4


@njit(cache=True)
def _title_taste(state: ArticleState, taste: Floats, a: int, row: Floats32, at: int) -> int:
    """Cosine of the user's title taste and the sum of the tastes of the article's readers."""
    norm, dot = 0.0, 0.0
    for d in range(TASTE):
        norm += state.taste[a, d] * state.taste[a, d]
        dot += state.taste[a, d] * taste[d]
    row[at] = dot / np.sqrt(norm) if norm > 0.0 else 0.0
    return at + 1


@njit(cache=True)
def _catalogue(
    attributes: Attributes,
    a: int,
    last: int,
    request: RequestContext,
    shares: Floats,
    premium_share: float,
    mean_length: float,
    row: Floats32,
    at: int,
) -> int:
    section = attributes.section[a]
    context = request.context_article
    premium = attributes.premium[a]
    length = np.log1p(attributes.length[a])
    row[at] = shares[section] if section != NONE else 0.0
    row[at + 1] = 1.0 if last != NONE and section != NONE and attributes.section[last] == section else 0.0
    row[at + 2] = 1.0 if context != NONE and section != NONE and attributes.section[context] == section else 0.0
    row[at + 3] = 0.0 if np.isnan(premium) else 2.0 * premium - 1.0
    row[at + 4] = row[at + 3] * request.subscriber
    row[at + 5] = row[at + 3] * (premium_share - 0.5)
    row[at + 6] = 0.0 if np.isnan(length) else length - 7.0
    row[at + 7] = 0.0 if np.isnan(length) or mean_length == 0.0 else abs(length - mean_length)
    return at + 8


@njit(cache=True)
def _request_features(state: ArticleState, liked: UserView, request: RequestContext, t: float) -> Floats32:
    tail = np.zeros(len(REQUEST), np.float32)
    last_day = (liked.shown_at > t - 86400.0).sum()
    angle = 2.0 * np.pi * (t % 86400.0) / 86400.0
    tail[0] = np.log1p(len(liked.clicked))
    tail[1] = np.log1p(len(liked.shown))
    tail[2] = _log_minutes(t - liked.clicked_at[-1] if len(liked.clicked) > 0 else np.inf)
    tail[3] = _log_minutes(t - liked.shown_at[-1] if len(liked.shown) > 0 else np.inf)
    tail[4] = np.log1p(last_day)
    tail[5] = request.page == 1
    tail[6] = request.page == 2
    for device in range(3):
        tail[7 + device] = request.device == device + 1
    tail[10] = request.subscriber
    tail[11] = np.sin(angle)
    tail[12] = np.cos(angle)
    tail[13] = np.log1p(state.counts[0, 0, CLICKS, 1] * left_after(max(0.0, t - state.stamp[0, 0]))[1])
    return tail


@njit(cache=True)
def _section_shares(liked: UserView, attributes: Attributes) -> Floats:
    shares = np.zeros(attributes.sections)
    for article in liked.clicked:
        section = attributes.section[article]
        if section != NONE:
            shares[section] += 1.0
    shares /= shares.sum() + 2.0
    return shares


@njit(cache=True)
def _means(liked: UserView, attributes: Attributes) -> tuple[float, float]:
    """Share of premium articles among the user's clicks, and the mean log length of those that have one (0: none)."""
    premium, known, length, lengths = 1.0, 2.0, 0.0, 0
    for a in liked.clicked:
        if not np.isnan(attributes.premium[a]):
            premium += attributes.premium[a]
            known += 1.0
        if not np.isnan(attributes.length[a]):
            length += np.log1p(attributes.length[a])
            lengths += 1
    return premium / known, length / max(lengths, 1)
