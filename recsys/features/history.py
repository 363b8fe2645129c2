"""The user side of the fold: the newest clicks and shown rows of a user, as they were known at an instant.

Serving reads them from the database at request time; replay keeps them in rings. Both give the same ``UserView``.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from recsys.columns import Floats, Floats32, Ints
from recsys.features.state import TASTE

CLICK_LIMIT = 100  # newest clicks of a user that count
SHOWN_LIMIT = 256  # newest rows shown to a user that count


class UserView(NamedTuple):
    """What is known of one user, each part oldest first."""

    clicked: Ints  # (clicks,) article keys
    clicked_at: Floats  # (clicks,) seconds
    clicked_weight: Floats  # (clicks,) 0: seen, but not liked
    shown: Ints  # (rows,) article keys
    shown_at: Floats  # (rows,) seconds


class UserRings(NamedTuple):
    """The newest events of every user, one row per user key, as rings that overwrite the oldest."""

    clicked: Ints  # (users, CLICK_LIMIT)
    clicked_at: Floats  # (users, CLICK_LIMIT)
    clicked_weight: Floats  # (users, CLICK_LIMIT)
    click_total: Ints  # (users,)
    shown: Ints  # (users, SHOWN_LIMIT)
    shown_at: Floats  # (users, SHOWN_LIMIT)
    shown_total: Ints  # (users,)


def empty_rings(users: int) -> UserRings:
    """Rings for user keys below ``users``."""
    return UserRings(
        clicked=np.zeros((users, CLICK_LIMIT), np.int64),
        clicked_at=np.zeros((users, CLICK_LIMIT)),
        clicked_weight=np.zeros((users, CLICK_LIMIT)),
        click_total=np.zeros(users, np.int64),
        shown=np.zeros((users, SHOWN_LIMIT), np.int64),
        shown_at=np.zeros((users, SHOWN_LIMIT)),
        shown_total=np.zeros(users, np.int64),
    )


def empty_view() -> UserView:
    """A user of whom nothing is known."""
    nothing = np.zeros(0)
    return UserView(np.zeros(0, np.int64), nothing, nothing, np.zeros(0, np.int64), nothing)


@njit(cache=True)
def ring_click(rings: UserRings, user: int, article: int, at: float, weight: float) -> None:
    """Remember a click of a user."""
    slot = rings.click_total[user] % CLICK_LIMIT
    rings.clicked[user, slot] = article
    rings.clicked_at[user, slot] = at
    rings.clicked_weight[user, slot] = weight
    rings.click_total[user] += 1


@njit(cache=True)
def ring_impression(rings: UserRings, user: int, t: float, items: Ints) -> None:
    """Remember the rows of a list shown to a user."""
    for article in items:
        slot = rings.shown_total[user] % SHOWN_LIMIT
        rings.shown[user, slot] = article
        rings.shown_at[user, slot] = t
        rings.shown_total[user] += 1


def rings_of(views: Sequence[UserView]) -> UserRings:
    """Rings with the clicks of each view in a row of its own, and an empty row behind them for everybody else."""
    rings, lengths = empty_rings(len(views) + 1), [len(view.clicked) for view in views]
    if views:
        users = np.repeat(np.arange(len(views)), lengths)
        clicked, clicked_at, weights = (np.concatenate(part) for part in list(zip(*views, strict=True))[:3])
        _ring_clicks(rings, users, clicked, clicked_at, weights)
    return rings


@njit(cache=True, nogil=True)
def _ring_clicks(rings: UserRings, users: Ints, clicked: Ints, clicked_at: Floats, weights: Floats) -> None:
    for i in range(len(users)):
        ring_click(rings, users[i], clicked[i], clicked_at[i], weights[i])


@njit(cache=True)
def view_of(rings: UserRings, user: int) -> UserView:
    """The rings of one user unrolled, oldest first."""
    clicks = _order(rings.click_total[user], CLICK_LIMIT)
    rows = _order(rings.shown_total[user], SHOWN_LIMIT)
    return UserView(
        rings.clicked[user][clicks],
        rings.clicked_at[user][clicks],
        rings.clicked_weight[user][clicks],
        rings.shown[user][rows],
        rings.shown_at[user][rows],
    )


@njit(cache=True)
def liked_of(view: UserView) -> UserView:
    """The user without the clicks of weight 0: to have seen an article, or dismissed it, is not to have read it."""
    liked = np.flatnonzero(view.clicked_weight > 0.0)
    return UserView(view.clicked[liked], view.clicked_at[liked], view.clicked_weight[liked], view.shown, view.shown_at)


@njit(cache=True)
def taste_of(liked: UserView, signatures: Floats32) -> Floats:
    """The user's title taste: the normalised sum of the signatures (articles, TASTE) of the articles they liked."""
    taste = np.zeros(TASTE)
    for article in liked.clicked:
        _add_signature(taste, article, signatures)
    return _normalised(taste)


@njit(cache=True)
def taste_in(rings: UserRings, user: int, signatures: Floats32) -> Floats:
    """``taste_of`` one user's rings, to the bit, without unrolling them."""
    taste = np.zeros(TASTE)
    total = rings.click_total[user]
    for i in range(max(0, total - CLICK_LIMIT), total):
        slot = i % CLICK_LIMIT
        if rings.clicked_weight[user, slot] > 0.0:
            _add_signature(taste, rings.clicked[user, slot], signatures)
    return _normalised(taste)


@njit(cache=True)
def _add_signature(taste: Floats, article: int, signatures: Floats32) -> None:
    if article < len(signatures):
        for d in range(TASTE):
            taste[d] += signatures[article, d]


@njit(cache=True)
def _normalised(taste: Floats) -> Floats:
    norm = np.sqrt((taste * taste).sum())
    return taste / norm if norm > 0.0 else taste


@njit(cache=True)
def _order(total: int, limit: int) -> Ints:
    first = max(0, total - limit)
    slots = np.empty(total - first, np.int64)
    for i in range(len(slots)):
        slots[i] = (first + i) % limit
    return slots
