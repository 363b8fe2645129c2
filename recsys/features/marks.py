"""A reader's working memory: marks on what the user saw and on who else read the user's articles."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from recsys.columns import NONE, Floats, Ints
from recsys.features.history import UserView
from recsys.features.state import READERS, ArticleState

RECENT = 5  # newest liked clicks for co-click
Counts = npt.NDArray[np.int32]
KINDS = 4
LAST, NEWEST, HISTORY, CONTEXT = range(KINDS)  # readers of the last click, the newest, all, the article being read


class Scratch(NamedTuple):
    """A reader's own working memory: counts are zero between calls, marks hold for the reading that made them."""

    times_shown: Ints  # (articles,)
    last_shown: Floats  # (articles,)
    times_clicked: Ints  # (articles,)
    last_clicked: Floats  # (articles,)
    marks: Floats  # (users, KINDS)
    marked: Counts  # (users,) the reading in which a user was marked; marks of an older one mean nothing
    reading: Counts  # (1,) how many readings there were


def scratch_for(articles: int, users: int) -> Scratch:
    """Working memory for article keys below ``articles`` and user keys below ``users``."""
    return Scratch(
        np.zeros(articles, np.int64),
        np.zeros(articles),
        np.zeros(articles, np.int64),
        np.zeros(articles),
        np.zeros((users, KINDS)),
        np.zeros(users, np.int32),
        np.zeros(1, np.int32),
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
    scratch.reading[0] += 1
    clicks = len(liked.clicked)
    for i in range(clicks):
        _mark(state, liked.clicked[i], HISTORY, scratch)
        if i >= clicks - RECENT:
            _mark(state, liked.clicked[i], NEWEST, scratch)
    if clicks > 0:
        _mark(state, liked.clicked[clicks - 1], LAST, scratch)
    if context_article != NONE:
        _mark(state, context_article, CONTEXT, scratch)
    if 0 <= user < len(scratch.marked):
        scratch.marked[user] = 0


@njit(cache=True)
def _mark(state: ArticleState, article: int, kind: int, scratch: Scratch) -> None:
    count = min(state.reader_total[article], READERS)
    weight = 1.0 / np.sqrt(count + 4.0)
    for r in range(count):
        reader = state.readers[article, r]
        if scratch.marked[reader] != scratch.reading[0]:
            scratch.marked[reader] = scratch.reading[0]
            for k in range(KINDS):
                scratch.marks[reader, k] = 0.0
        scratch.marks[reader, kind] += weight


@njit(cache=True)
def unmark(view: UserView, scratch: Scratch) -> None:
    """Wipe what ``mark_user`` noted."""
    for article in view.shown:
        scratch.times_shown[article] = 0
        scratch.last_shown[article] = 0.0
    for article in view.clicked:
        scratch.times_clicked[article] = 0
        scratch.last_clicked[article] = 0.0
