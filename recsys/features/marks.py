"""A reader's working memory: marks on what the user saw and on who else read the user's articles."""

from typing import NamedTuple

import numpy as np
from numba import njit

from recsys.columns import NONE, Floats, Floats32, Ints, Ints32
from recsys.features.history import UserView
from recsys.features.state import READERS, ArticleState, halved

RECENT = 5  # newest liked clicks for co-click
KINDS = 4
LIKENESS_HALF_LIFE = 24.0 * 3600.0  # seconds, of readers who are like the user; the shorter ones are its powers
LAST, NEWEST, HISTORY, CONTEXT = range(KINDS)  # readers of the last click, the newest, all, the article being read


class Scratch(NamedTuple):
    """A reader's own working memory: counts are zero between calls, marks hold for the reading that made them."""

    times_shown: Ints  # (articles,)
    last_shown: Floats  # (articles,)
    times_clicked: Ints  # (articles,)
    last_clicked: Floats  # (articles,)
    marks: Floats  # (users, KINDS)
    marked: Ints32  # (users,) the reading in which a user was marked; marks of an older one mean nothing
    reading: Ints32  # (1,) how many readings there were
    days: Floats  # (READERS,) what is left of each reader of one article, see ``read_marks``


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
        np.zeros(READERS),
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


@njit(cache=True)
def read_marks(state: ArticleState, article: int, t: float, scratch: Scratch, row: Floats32, at: int) -> int:
    """Marks of the article's readers: damped by their number (for marks of 1 / sqrt(readers), a cosine), and by age.

    By age they say how many readers like the user came lately, and how like the user its late readers are: a kernel of
    readers. Writes 10 numbers to ``row`` from ``at`` on, and returns the place behind them.
    """
    count, days = min(state.reader_total[article], READERS), scratch.days
    for i in range(count):  # a loop of its own, which the compiler makes vectors of
        days[i] = halved(max(0.0, t - state.reader_at[article, i]) / LIKENESS_HALF_LIFE)
    last = newest = history = context = 0.0
    like_day = like_some = like_few = all_day = all_some = all_few = 0.0
    for i in range(count):
        day = days[i]
        some = day * day * day
        few = (some * some) * (some * some)
        all_day += day
        all_some += some
        all_few += few
        reader = state.readers[article, i]
        if scratch.marked[reader] == scratch.reading[0]:
            last += scratch.marks[reader, LAST]
            newest += scratch.marks[reader, NEWEST]
            context += scratch.marks[reader, CONTEXT]
            mark = scratch.marks[reader, HISTORY]
            history += mark
            like_day += day * mark
            like_some += some * mark
            like_few += few * mark
    scale = 10.0 / np.sqrt(count + 4.0)
    for kind, marks in enumerate((last, newest, history, context)):
        row[at + kind] = np.log1p(marks * scale) if marks > 0.0 else 0.0
    at += KINDS
    for like, everybody in ((like_day, all_day), (like_some, all_some), (like_few, all_few)):
        row[at] = np.log1p(10.0 * like) if like > 0.0 else 0.0
        row[at + 1] = 10.0 * like / (everybody + 1.0)
        at += 2
    return at
