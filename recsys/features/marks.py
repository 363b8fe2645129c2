"""A reader's working memory: marks on what the user saw and on who else read the user's articles."""

from typing import NamedTuple

import numpy as np
from numba import njit

from recsys.columns import NONE, Floats, Ints
from recsys.features.history import UserView
from recsys.features.state import READERS, ArticleState

RECENT = 5  # newest liked clicks for co-click
KINDS = 4
LAST, NEWEST, HISTORY, CONTEXT = range(KINDS)  # readers of the last click, the newest, all, the article being read
FEW = 4096  # users up to which wiping all their marks is quicker than finding those that were marked


class Scratch(NamedTuple):
    """A reader's own working memory, zero between calls."""

    times_shown: Ints  # (articles,)
    last_shown: Floats  # (articles,)
    times_clicked: Ints  # (articles,)
    last_clicked: Floats  # (articles,)
    marks: Floats  # (users, KINDS)


def scratch_for(articles: int, users: int) -> Scratch:
    """Working memory for article keys below ``articles`` and user keys below ``users``."""
    return Scratch(
        np.zeros(articles, np.int64),
        np.zeros(articles),
        np.zeros(articles, np.int64),
        np.zeros(articles),
        np.zeros((users, KINDS)),
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
    """Mark the readers of the articles that the user liked: of the last, the newest, all; and of the one being read.

    The user is none of them.
    """
    clicks = len(liked.clicked)
    for i in range(clicks):
        if i < clicks - RECENT:
            _mark(state, liked.clicked[i], HISTORY, scratch)
        else:
            _mark_both(state, liked.clicked[i], scratch)
    if clicks > 0:
        _mark(state, liked.clicked[clicks - 1], LAST, scratch)
    if context_article != NONE:
        _mark(state, context_article, CONTEXT, scratch)
    if 0 <= user < len(scratch.marks):
        scratch.marks[user] = 0.0


@njit(cache=True)
def _mark(state: ArticleState, article: int, kind: int, scratch: Scratch) -> None:
    count = min(state.reader_total[article], READERS)
    weight = 1.0 / np.sqrt(count + 4.0)
    for r in range(count):
        scratch.marks[state.readers[article, r], kind] += weight


@njit(cache=True)
def _mark_both(state: ArticleState, article: int, scratch: Scratch) -> None:
    """As one of all the articles that the user liked, and as one of the newest."""
    count = min(state.reader_total[article], READERS)
    weight = 1.0 / np.sqrt(count + 4.0)
    for r in range(count):
        scratch.marks[state.readers[article, r], HISTORY] += weight
        scratch.marks[state.readers[article, r], NEWEST] += weight


@njit(cache=True)
def unmark(state: ArticleState, view: UserView, context_article: int, scratch: Scratch) -> None:
    """Wipe every mark again."""
    for article in view.shown:
        scratch.times_shown[article] = 0
        scratch.last_shown[article] = 0.0
    for article in view.clicked:
        scratch.times_clicked[article] = 0
        scratch.last_clicked[article] = 0.0
    if len(scratch.marks) < FEW:
        scratch.marks[:] = 0.0
        return
    for article in view.clicked:
        _clear_marks(state, article, scratch)
    if context_article != NONE:
        _clear_marks(state, context_article, scratch)


@njit(cache=True)
def _clear_marks(state: ArticleState, article: int, scratch: Scratch) -> None:
    for r in range(min(state.reader_total[article], READERS)):
        for kind in range(KINDS):
            scratch.marks[state.readers[article, r], kind] = 0.0
