"""A stretch of the log as one sequence of events, in the order of the fold."""

from typing import NamedTuple

import numpy as np

from recsys.columns import Bools, EventLog, Floats, Ints, Small
from recsys.domain import RecsysError
from recsys.features.state import cell_of


class Events(NamedTuple):
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
    click_counted: Bools  # False for backfilled ones; those of weight 0 reach no counter in any case
    click_cell: Ints


def in_order(log: EventLog) -> Events:
    """By ``known_at``; at one stamp impressions first, each kind in the order of the log."""
    i, c = log.impressions, log.clicks
    time = np.concatenate([i.known_at, c.known_at])
    is_click = np.repeat([False, True], [len(i), len(c)])
    row = np.concatenate([np.arange(len(i)), np.arange(len(c))])
    order = np.lexsort((row, is_click, time))
    counted = c.backfilled == 0
    cells = np.array([cell_of(int(p), int(d)) for p, d in np.ndindex(3, 5)]).reshape(3, 5)
    return Events(
        time[order], is_click[order], row[order], i.offsets, i.items, i.user, i.page, i.device, i.subscriber,
        i.context_article, c.user, c.user, c.article, c.at, c.weight, counted, cells[c.page, c.device],
    )  # fmt: skip


def check_keys(log: EventLog, articles: int, users: int) -> None:
    """Compiled code does not look where it writes, and would wait forever for the end of a stamp that is no number."""
    i, c = log.impressions, log.clicks
    if not (np.isfinite(i.known_at).all() and np.isfinite(c.known_at).all()):
        raise RecsysError("The log holds an event whose time is no number: look for what wrote it, and remove it.")
    if max(part.max(initial=0) for part in (i.items, i.context_article, c.article)) >= articles:
        raise RecsysError("The log names articles that are newer than the catalogue: read the catalogue after the log.")
    if max(part.max(initial=0) for part in (i.user, c.user)) >= users:
        raise RecsysError(f"The log names users that are newer than the {users} keys there is room for: count again.")
