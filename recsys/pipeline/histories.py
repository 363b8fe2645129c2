"""What a user had clicked before an instant, as padded windows: the input of the user tower."""

from dataclasses import dataclass

import numpy as np

from recsys.columns import NONE, Bools, ClickColumns, Floats, Ints


@dataclass(frozen=True)
class Windows:
    """The newest clicks before each of n requests, oldest first, padded in front."""

    row: Ints  # (n, size) of the click in the histories, 0 for padding
    article: Ints  # (n, size) or NONE
    age: Floats  # (n, size) seconds from the click to the request, 0 for padding
    mask: Bools  # (n, size)


@dataclass(frozen=True)
class Histories:
    """All clicks that are positive examples, by user and then (known_at, at, position)."""

    user: Ints  # (n,)
    article: Ints  # (n,)
    at: Floats  # (n,)
    known_at: Floats  # (n,)
    backfilled: Bools  # (n,)
    row: Ints  # (n,) of the click in the columns it was taken from

    @classmethod
    def of(cls, clicks: ClickColumns) -> "Histories":
        """Order the clicks; what was only seen (weight 0) is left out."""
        order = np.lexsort((clicks.position, clicks.at, clicks.known_at, clicks.user))
        order = order[clicks.weight[order] > 0]
        return cls(
            user=clicks.user[order],
            article=clicks.article[order],
            at=clicks.at[order],
            known_at=clicks.known_at[order],
            backfilled=clicks.backfilled[order] > 0,
            row=order,
        )

    def __len__(self) -> int:
        return len(self.user)

    def before_own(self) -> tuple[Ints, Ints]:
        """For each click, the stretch ``start:end`` of clicks that may be its input.

        Those known strictly earlier. Backfilled clicks all became known at one instant, so among them those that
        happened strictly earlier count as well: otherwise a bulk of history would train on nothing.
        """
        start = _first_of_run(self.user)
        known = _first_of_run(self.user, self.known_at)
        happened = _first_of_run(self.user, self.known_at, self.at)
        return start, np.where(self.backfilled, happened, known)

    def before(self, users: Ints, times: Floats) -> tuple[Ints, Ints]:
        """The stretches of clicks known strictly before each time (n,) by each user (n,)."""
        keys = np.rec.fromarrays([self.user, self.known_at])
        start = np.searchsorted(self.user, users)
        asked = np.rec.fromarrays([users.astype(np.int64), times.astype(np.float64)], dtype=keys.dtype)
        return start, np.maximum(start, np.searchsorted(keys, asked))

    def windows(self, start: Ints, end: Ints, times: Floats, size: int) -> Windows:
        """The newest ``size`` clicks of each stretch, with ages at these times (n,)."""
        place = end[:, None] - np.arange(size, 0, -1)  # (n, size)
        mask = place >= start[:, None]
        place = np.where(mask, place, 0)
        if not len(self):
            return Windows(place, np.full(place.shape, NONE), np.zeros(place.shape), mask)
        age = np.where(mask, np.maximum(times[:, None] - self.at[place], 0.0), 0.0)
        return Windows(place, np.where(mask, self.article[place], NONE), age, mask)


def _first_of_run(*columns: Ints | Floats) -> Ints:
    """Index of the first row of the run of equal rows that each row is in: (n,)."""
    size = len(columns[0])
    new = np.zeros(size, np.bool_)
    new[:1] = True
    for column in columns:
        new[1:] |= column[1:] != column[:-1]
    return np.maximum.accumulate(np.where(new, np.arange(size), 0)) if size else np.zeros(0, np.int64)
