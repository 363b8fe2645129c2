"""What the towers make of users' histories: one query for each view, for many users in one go."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recsys.columns import NONE, Floats, Floats32, Ints
from recsys.pipeline.model import Views
from recsys.pipeline.situation import Request


@dataclass(frozen=True)
class Taste:
    """One user as both views see them."""

    user: Floats32  # (dim,) whose inner product with a learned vector is the learned score
    profile: Floats32  # (c,) recency-weighted mean of the content vectors of what was read
    last: Floats32  # (c,) content vector of the newest click
    is_learned: bool  # something in the history has a learned vector
    has_content: bool  # something in the history has a content vector


def tastes(views: Views, requests: Sequence[Request]) -> list[Taste]:
    """The taste of each request's user; together they differ from one at a time by rounding (1e-6) only."""
    if not requests:
        return []
    history, ages = _padded(requests)
    shape = history.shape
    items, known = views.learned.vectors(history.ravel())
    read, there = views.content.vectors(history.ravel())
    items, read = items.reshape(*shape, items.shape[1]), read.reshape(*shape, read.shape[1])
    users = views.towers.user_vectors(items, ages, known.reshape(shape))
    profiles = views.towers.content_profiles(read, ages, there.reshape(shape))
    last = read[:, -1] if shape[1] else np.zeros_like(profiles)
    return [
        Taste(users[row], profiles[row], last[row], bool(items[row].any()), bool(read[row].any()))
        for row in range(len(requests))
    ]


def _padded(requests: Sequence[Request]) -> tuple[Ints, Floats]:
    """Histories and their ages (requests, longest), padded in front with NONE and 0."""
    longest = max(len(request.history) for request in requests)
    history = np.full((len(requests), longest), NONE, np.int64)
    ages = np.zeros((len(requests), longest))
    for row, request in enumerate(requests):
        start = longest - len(request.history)
        history[row, start:], ages[row, start:] = request.history, request.ages
    return history, ages
