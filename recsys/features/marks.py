"""A reader's working memory: marks on what the user saw and on who else read the user's articles."""

from typing import NamedTuple

import numpy as np
from numba import njit

from recsys.columns import NONE, Floats, Ints
from recsys.features.history import UserView
from recsys.features.state import READERS, ArticleState

RECENT = 5  # newest liked clicks for co-click


class Scratch(NamedTuple):
    """A reader's own working memory, zero between calls."""

    times_shown: Ints  # (articles,)
    last_shown: Floats  # (articles,)
    times_clicked: Ints  # (articles,)
    last_clicked: Floats  # (articles,)
    marks: Floats  # (4, users)


def scratch_for(articles: int, users: int) -> Scratch:
    """Working memory for article keys below ``articles`` and user keys below ``users``."""
    return Scratch(
        np.zeros(articles, np.int64),
        np.zeros(articles),
        np.zeros(articles, np.int64),
        np.zeros(articles),
        np.zeros((4, users)),
    )


@njit(cache=True)
def mark_user(view: UserView, scratch: Scratch) -> None:
    """Note how often and when the user was last shown each article, and clicked it."""
    for i in range(len(view.shown)):
        scratch.times_shown[view.shown[i]] += 1
        scratch.last_shown[view.shown[i]] = view.shown_at[i]
    for i in range(len(view.clicked)):
        scratch.times_clicked[view.clicked[i]] += 1
        scratch.last_clicked[view.clicked[i]] = view.clicked_at[i]


@njit(cache=True)
def mark_readers(state: ArticleState, liked: UserView, user: int, context_article: int, scratch: Scratch) -> None:
    """Mark the readers of the articles that the user liked: of the last, the newest, all; and of the one being read."""
    clicks = len(liked.clicked)
    for i in range(clicks):
        _mark(state, liked.clicked[i], user, 2, scratch)
        if i >= clicks - RECENT:
            _mark(state, liked.clicked[i], user, 1, scratch)
        if i == clicks - 1:
            _mark(state, liked.clicked[i], user, 0, scratch)
    if context_article != NONE:
        _mark(state, context_article, user, 3, scratch)


@njit(cache=True)
def _mark(state: ArticleState, article: int, user: int, kind: int, scratch: Scratch) -> None:
    count = min(state.reader_total[article], READERS)
    weight = 1.0 / np.sqrt(count + 4.0)
    for r in range(count):
        reader = state.readers[article, r]
        if reader != user:
            scratch.marks[kind, reader] += weight


@njit(cache=True)
def unmark(state: ArticleState, view: UserView, context_article: int, scratch: Scratch) -> None:
    """Wipe every mark again."""
    for article in view.shown:
        scratch.times_shown[article] = 0
        scratch.last_shown[article] = 0.0
    for article in view.clicked:
        scratch.times_clicked[article] = 0
        scratch.last_clicked[article] = 0.0
        _clear_marks(state, article, scratch)
    if context_article != NONE:
        _clear_marks(state, context_article, scratch)


@njit(cache=True)
def _clear_marks(state: ArticleState, article: int, scratch: Scratch) -> None:
    for r in range(min(state.reader_total[article], READERS)):
        scratch.marks[:, state.readers[article, r]] = 0.0
